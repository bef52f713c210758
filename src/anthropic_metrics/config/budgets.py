"""The `budgets` list, and the three older keys that still load as one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, Literal, get_args

import yaml
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    PrivateAttr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from anthropic_metrics import quoting
from anthropic_metrics.config.connections import Section
from anthropic_metrics.config.sections import data, sections
from anthropic_metrics.config.values import listed
from anthropic_metrics.config.yaml_file import parse

BudgetPeriod = Literal["monthly", "weekly", "daily"]
PERIODS: tuple[BudgetPeriod, ...] = get_args(BudgetPeriod)
Scope = Literal["organization", "workspace", "api_key", "team", "tag"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
LEVELS = (50, 75, 90, 100)
OLD_KEYS = ("organization_usd", "workspaces", "tags", "levels")
_LONGEST_NAME = 256
_LEAST_USD, _MOST_USD = Decimal("0.01"), Decimal(10) ** 12
_LIST = "must be a list of mappings, such as [{name: everything, usd: 500}]"


def _usd(value: object) -> Decimal:
    problem = "must be an amount in US dollars, such as 500"
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError(problem)
    if not str(value).isascii():
        raise ValueError(problem)
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        raise ValueError(problem) from None
    # Less than a cent is 0 in a query, and a budget of 0 is never used up.
    if not amount.is_finite() or not _LEAST_USD <= amount < _MOST_USD:
        raise ValueError("must be at least a cent (0.01)")
    return amount


def _optional_usd(value: object) -> Decimal | None:
    return None if value in (None, "") else _usd(value)


def _levels(value: object) -> tuple[int, ...]:
    items = listed(value)
    try:
        plain = isinstance(items, list | tuple) and all(str(item).isascii() for item in items)
        levels = tuple(int(item) for item in items) if plain and isinstance(items, list | tuple) else ()
    except (TypeError, ValueError):
        levels = ()
    if not levels or not all(0 < level <= 1000 for level in levels):
        raise ValueError("must be a list of percentages, such as [50, 75, 90, 100]")
    return tuple(sorted(set(levels)))


def _mapping(value: object) -> Mapping[Any, Any]:
    """A mapping, also one given as text, as environment variables have it: JSON, or YAML."""
    if isinstance(value, str):
        try:
            value = parse(value)
        except (yaml.YAMLError, ValueError):
            raise ValueError("must be a mapping, such as {Production: 500}") from None
    if not isinstance(value, Mapping):
        raise ValueError("must be a mapping of names to US dollars")
    return value


def _amounts(value: object) -> dict[str, Decimal]:
    """Dollars by name; a problem names its entry."""
    table = {}
    for name, item in _mapping({} if value in (None, "") else value).items():
        _check_name(str(name))
        try:
            table[str(name)] = _usd(item)
        except ValueError as error:
            raise ValueError(f"{quoting.name(str(name))}: {error}") from None
    return table


def _check_name(name: str) -> None:
    if not name.strip():
        raise ValueError("holds a budget without a name")
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"names may have at most {_LONGEST_NAME} characters; one has {len(name)}")


def _check_tag(tag: str, where: str) -> None:
    name, _, value = tag.partition("=")
    if not name or not value:
        raise ValueError(f"{where} must be written tag=value, such as team=research")


def _tags(value: object) -> dict[str, Decimal]:
    table = _amounts(value)
    for place, tag in enumerate(table, 1):
        _check_tag(tag, f"entry {place}: its name")
    return table


Usd = Annotated[Decimal | None, BeforeValidator(_optional_usd), PlainSerializer(lambda usd: usd and str(usd))]
Levels = Annotated[tuple[int, ...], BeforeValidator(_levels)]


class BudgetSettings(Section):
    """What a period may cost, or use: all of the organization, or what `workspace`, `api_key`, `team` or
    `tag` names."""

    name: str
    usd: Usd = None
    tokens: int | None = Field(None, ge=1)
    period: BudgetPeriod = "monthly"
    team: str | None = None
    workspace: str | None = None
    api_key: str | None = None
    tag: str | None = None
    levels: Levels = LEVELS
    # Whether it comes from one of the older keys, and which.
    _old_key: str = PrivateAttr("")

    @field_validator("name")
    @classmethod
    def _can_be_shown(cls, value: str) -> str:
        _check_name(value)
        return value

    @model_validator(mode="after")
    def _is_one_budget(self) -> BudgetSettings:
        if (self.usd is None) == (self.tokens is None):
            raise ValueError(f"{quoting.name(self.name)}: give usd or tokens, one of the two")
        scopes = [scope for scope in SCOPES[1:] if getattr(self, scope) is not None]
        if len(scopes) > 1:
            raise ValueError(f"{quoting.name(self.name)}: give one of {', '.join(scopes)}, not several")
        if empty := [scope for scope in scopes if not getattr(self, scope).strip()]:
            raise ValueError(f"{quoting.name(self.name)}: {empty[0]} is empty")
        if self.tag is not None:
            _check_tag(self.tag, f"{quoting.name(self.name)}: tag")
        return self

    @property
    def scope(self) -> Scope:
        """Whose budget it is."""
        return next((scope for scope in SCOPES[1:] if getattr(self, scope) is not None), "organization")

    @property
    def whose(self) -> str:
        """The name, id or tag that it is for; empty for the organization."""
        return "" if self.scope == "organization" else str(getattr(self, self.scope))

    @property
    def amount(self) -> Decimal:
        """The most that the period may have: dollars, or tokens where `usd` is None."""
        return self.usd if self.usd is not None else Decimal(self.tokens or 0)

    @property
    def is_months_whole(self) -> bool:
        """Whether it is in dollars for a month of the whole organization."""
        return self.usd is not None and self.period == "monthly" and self.scope == "organization"

    def written(self) -> str:
        """As an entry of the list in the configuration."""
        parts = {"name": self.name, "usd": self.usd, "tokens": self.tokens, self.scope: self.whose}
        shown = [f"{key}: {_plain(value)}" for key, value in parts.items() if value not in (None, "")]
        shown += [f"period: {self.period}"] if self.period != "monthly" else []
        shown += [f"levels: {list(self.levels)}"] if self.levels != LEVELS else []
        return "{" + ", ".join(shown) + "}"


def _plain(value: object) -> str:
    """As YAML: a text in quotes unless it is a plain word or several."""
    text = str(value)
    return text if re.fullmatch(r"[A-Za-z0-9][\w .-]*", text) else json.dumps(text, ensure_ascii=False)


class _OldBudgets(Section):
    """The form before the list."""

    organization_usd: Usd = None
    workspaces: Annotated[dict[str, Decimal], BeforeValidator(_amounts)] = Field({})
    tags: Annotated[dict[str, Decimal], BeforeValidator(_tags)] = Field({})
    levels: Levels = LEVELS

    def entries(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """The key that each budget comes from, and the budget."""
        if self.organization_usd is not None:
            yield "organization_usd", {"name": "organization", "usd": self.organization_usd}
        for name, usd in self.workspaces.items():
            yield "workspaces", {"name": f"workspace {name}", "workspace": name, "usd": usd}
        for tag, usd in self.tags.items():
            yield "tags", {"name": f"tag {tag}", "tag": tag, "usd": usd}

    def as_list(self) -> Iterator[BudgetSettings]:
        for key, entry in self.entries():
            # The names are made here: a workspace's own may be as long as a budget's.
            budget = BudgetSettings.model_construct(levels=self.levels, **entry)
            budget._old_key = key
            yield budget


def old_budgets(**sections: Any) -> tuple[BudgetSettings, ...]:
    """The list that the older keys organization_usd, workspaces, tags and levels mean. ValidationError."""
    return tuple(_OldBudgets.model_validate(sections).as_list())


def _budgets(value: object) -> object:
    value = data(value, _LIST)
    return _from_old(value) if isinstance(value, Mapping) else sections(value, _LIST)


def _from_old(value: Mapping[Any, Any]) -> tuple[BudgetSettings, ...]:
    if unknown := [name for name in value if name not in OLD_KEYS]:
        raise PydanticCustomError(
            "at_key",
            "is not a known key; budgets is a list: [{{name: everything, usd: 500}}]",
            {"key": quoting.name(str(unknown[0]))},
        )
    try:
        return old_budgets(**value)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        text = str(detail.get("ctx", {}).get("error", detail["msg"]))
        raise PydanticCustomError("at_key", "{text}", {"key": str(detail["loc"][0]), "text": text}) from None


def _unique(value: tuple[BudgetSettings, ...]) -> tuple[BudgetSettings, ...]:
    names = [budget.name for budget in value]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two budgets have the name {quoting.name(twice[0])}")
    return value


Budgets = Annotated[tuple[BudgetSettings, ...], BeforeValidator(_budgets), AfterValidator(_unique)]


def hints(budgets: Iterable[BudgetSettings]) -> Iterator[str]:
    """How to write in the present form what is given in the older one."""
    old = [budget for budget in budgets if budget._old_key]
    if old:
        keys = ", ".join(dict.fromkeys(f"budgets.{budget._old_key}" for budget in old))
        entries = ", ".join(budget.written() for budget in old)
        yield f"{keys}: still read, but the current form is a list: budgets: [{entries}]"
