"""The `spend`, `prices` and `teams` keys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer, field_validator, model_validator

from anthropic_metrics.config.connections import Section
from anthropic_metrics.config.sections import data, sections
from anthropic_metrics.config.values import Duration, listed
from anthropic_metrics.kernel import teams as kernel


class SpendSettings(Section):
    enabled: bool = Field(True, description="Whether to compute what each row of hourly usage cost.")
    source: Literal["auto", "analytics", "allocation"] = Field(
        "auto",
        description="Where exact figures come from: `analytics` reads the cost analytics report; "
        "`allocation` divides the daily bill, without a request; `auto` reads the report if the "
        "organization has it, which is checked once a day.",
    )
    settle_after: Duration = Field(
        timedelta(hours=48),
        description="How long after its end a UTC day takes its figures from the bill. Until then they are "
        "estimates, because a bill is revised for about two days.",
    )


_MOST = Decimal(10) ** 9  # far above any price; what is beyond can be no figure of a document


def _factor(value: object) -> Decimal:
    """A price or factor. A YAML number is taken as the text that means it."""
    if isinstance(value, Decimal):
        return value
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or not 0 <= number < _MOST:
        raise ValueError("must be a number such as 2.5")
    return number


def _day(value: object) -> date:
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(f"must be a day such as 2026-10-07, not {value!r}") from None


Factor = Annotated[Decimal, BeforeValidator(_factor), PlainSerializer(str)]
Day = Annotated[date, BeforeValidator(_day), PlainSerializer(date.isoformat)]


class PriceSettings(Section):
    """A model's own prices, dollars per million tokens; what is left out comes from the list."""

    model: str
    valid_from: Day | None = None
    uncached_input: Factor | None = None
    cache_read: Factor | None = None
    cache_write_5m: Factor | None = None
    cache_write_1h: Factor | None = None
    output: Factor | None = None
    batch: Factor | None = None
    us: Factor | None = None
    fast: Factor | None = None


def _texts(value: object) -> tuple[str, ...]:
    texts = listed(value)
    if not isinstance(texts, list | tuple) or not all(isinstance(item, str) and item for item in texts):
        raise ValueError("must be a list of texts, such as [a, b]")
    return tuple(texts)


Texts = Annotated[tuple[str, ...], BeforeValidator(_texts)]


class TeamSettings(Section):
    """A team and what is its own: workspaces and keys by name or id, tags as `name=value`, people by id."""

    team: str
    workspaces: Texts = ()
    api_keys: Texts = ()
    tags: Texts = ()
    people: Texts = ()
    environment: str | None = None
    owner: str | None = None
    cost_centre: str | None = None
    project: str | None = None

    @field_validator("cost_centre", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @field_validator("tags")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if wrong := [tag for tag in value if not tag.partition("=")[0] or "=" not in tag]:
            raise ValueError(f"{', '.join(wrong)}: must be written tag=value, such as team=research")
        return value

    @model_validator(mode="after")
    def _matches_something(self) -> TeamSettings:
        if not self.team.strip():
            raise ValueError("holds a team without a name")
        if not (self.workspaces or self.api_keys or self.tags or self.people):
            raise ValueError(f"the team {self.team} is empty: list its workspaces, api_keys, tags or people")
        return self


def teams_of(settings: Iterable[TeamSettings]) -> kernel.Teams:
    """The teams that rows are judged by, in the order of the configuration."""
    return kernel.Teams(
        tuple(
            kernel.Team(
                team.team,
                frozenset(team.workspaces),
                frozenset(team.api_keys),
                frozenset(team.tags),
                frozenset(team.people),
                team.environment,
                team.owner,
                team.cost_centre,
                team.project,
            )
            for team in settings
        )
    )


_LIST = "must be a list of mappings, such as [{team: research, workspaces: [Research]}]"


def _sections(value: object) -> object:
    return sections(data(value, _LIST), _LIST)


Teams = Annotated[tuple[TeamSettings, ...], BeforeValidator(_sections)]
Prices = Annotated[tuple[PriceSettings, ...], BeforeValidator(_sections)]
