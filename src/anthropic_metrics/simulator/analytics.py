"""The two analytics reports: pages of rows instead of buckets, late, and revised for up to 30 days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from .analytics_rows import Group, Rows
from .clock import DAY, HOUR, MINUTE, WIDTHS, floor, iso, moment
from .parameters import choice, flag, instant, known, one_of, whole_number
from .requests import Answer, Refusal, Request, dump
from .series import LONG, SHORT
from .simulation import Simulation
from .tokens import PageTokens

Enrolled = Literal["on", "off", "not_enrolled", "forbidden"]
BETA = "analytics-usage-cost-2026-08-24"
OLDEST = datetime(2026, 1, 1, tzinfo=UTC)
_LARGEST_LIMIT, _DEFAULT_LIMIT = 1000, 20
_MOST = {"1m": DAY, "1h": 31 * DAY, "1d": 31 * DAY}

DIMENSIONS = (
    "workspace_id",
    "api_key_id",
    "actor",
    "actor_type",
    "model",
    "service_tier",
    "context_window",
    "inference_geo",
    "speed",
    "product",
    "organization_id",
    "user_profile_id",
    "rbac_group_id",
    "session_id",
    "agent_id",
    "deployment_id",
    "environment_id",
    "claude_tag_category",
    "claude_tag_user_id",
    "slack_channel_id",
)
COMPONENTS = ("cost_type", "token_type")
_FILTERS = {
    f"{name}s[]": name for name in DIMENSIONS if name not in ("actor", "actor_type", "claude_tag_category")
} | {
    "actor_ids[]": "actor_id",
    "actor_types[]": "actor_type",
    "claude_tag_categories[]": "claude_tag_category",
}
_VALUES = {
    "context_windows[]": (SHORT, LONG),
    "inference_geos[]": ("global", "us", "not_available"),
    "speeds[]": ("standard", "fast"),
    "service_tiers[]": ("standard", "batch", "priority", "priority_on_demand", "flex", "flex_discount"),
    "actor_types[]": ("user_actor", "service_account_actor", "api_actor", "federated_actor"),
}
_ORDERS = {
    "usage": ("total_tokens", "uncached_input_tokens", "output_tokens", "requests", "time"),
    "cost": ("amount", "list_amount", "time"),
}


@dataclass(frozen=True, slots=True)
class Terms:
    """Whether the organization has the reports, how late they are, and which share of the rows of an hour
    comes later than the rest, at a moment of its own within 30 days. `children` are the organizations whose
    parent it is."""

    enrolled: Enrolled = "off"
    lag: timedelta = timedelta(hours=4)
    revised: float = 0.0
    children: tuple[Simulation, ...] = ()


@dataclass(frozen=True, slots=True)
class _Question:
    """A request that was understood. Rows begin at `start` and end at `end` (epoch seconds)."""

    kind: Literal["usage", "cost"]
    start: int
    end: int
    width: int | None
    group_by: tuple[str, ...]
    order_by: str
    descending: bool
    limit: int
    filters: Mapping[str, list[str]] = field(default_factory=dict)


def analytics_report(
    simulation: Simulation,
    tokens: PageTokens,
    terms: Terms,
    kind: Literal["usage", "cost"],
    request: Request,
) -> Answer:
    """`/analytics/usage` and `/analytics/cost`; a parent's hold the rows of its child organizations too."""
    _require(terms, request)
    question = _understood(kind, request)
    refreshed = moment(floor(request.at - terms.lag, MINUTE))
    family = (simulation, *terms.children)
    groups = _ordered(question, [Rows(member, refreshed, terms.revised) for member in family])
    begin = tokens.read(request) or 0
    last = begin + question.limit
    more = last < len(groups)
    data = [row for group in groups[begin:last] for row in _items(question, group)]
    body = {
        "data": data,
        "has_more": more,
        "next_page": tokens.make(request, last) if more else None,
        "data_refreshed_at": iso(int(refreshed.timestamp())),
    }
    return Answer(200, dump(body))


def analytics_rows(
    simulation: Simulation,
    kind: Literal["usage", "cost"],
    start: datetime,
    end: datetime,
    width: str = "1h",
    group_by: tuple[str, ...] = (),
) -> list[dict[str, Any]]:
    """The final truth of a report: what it says once all has arrived."""
    seconds = WIDTHS[width]
    question = _Question(
        kind, floor(start, seconds), floor(end, seconds), seconds, group_by, "time", False, _LARGEST_LIMIT
    )
    return [
        row for group in _ordered(question, [Rows(simulation, None, 0.0)]) for row in _items(question, group)
    ]


def _require(terms: Terms, request: Request) -> None:
    """Refuse as an organization that does not have the reports is refused."""
    if terms.enrolled == "off":
        raise Refusal(404, "Not found")
    if terms.enrolled == "forbidden":
        raise Refusal(403, "This key lacks the scope read:analytics.")
    betas = [beta.strip() for beta in request.headers.get("anthropic-beta", "").split(",")]
    if BETA not in betas:
        raise Refusal(400, f"anthropic-beta: this endpoint requires {BETA}")
    if terms.enrolled == "not_enrolled":
        raise Refusal(
            400,
            "The organization is not enrolled in this beta.",
            code="organization_not_enrolled_in_beta",
        )


def _understood(kind: Literal["usage", "cost"], request: Request) -> _Question:
    single = ("starting_at", "ending_at", "time_bucket_width", "order_by", "order", "limit", "page")
    known(request, (*single, "exclude_deleted_users"), ("group_by[]", *_FILTERS))
    group_by = tuple(dict.fromkeys(request.all("group_by[]")))
    one_of("group_by[]", group_by, (*DIMENSIONS, *(COMPONENTS if kind == "cost" else ())))
    if len([name for name in group_by if name not in COMPONENTS]) > 5:
        raise Refusal(400, "group_by[]: at most 5 dimensions")
    if flag(request, "exclude_deleted_users") and "actor" not in group_by:
        raise Refusal(400, "exclude_deleted_users: requires group_by[]=actor")
    for name, allowed in _VALUES.items():
        one_of(name, request.all(name), allowed)
    width = choice(request, "time_bucket_width", WIDTHS)
    start, end = _range(request, width)
    return _Question(
        kind,
        start,
        end,
        None if width is None else WIDTHS[width],
        group_by,
        choice(request, "order_by", _ORDERS[kind]) or _ORDERS[kind][0],
        (choice(request, "order", ("asc", "desc")) or "desc") == "desc",
        whole_number(request, "limit", _DEFAULT_LIMIT, _LARGEST_LIMIT),
        {_FILTERS[name]: values for name in _FILTERS if (values := request.all(name))},
    )


def _range(request: Request, name: str | None) -> tuple[int, int]:
    starting, ending = instant(request, "starting_at"), instant(request, "ending_at")
    if starting is None:
        raise Refusal(400, "starting_at: Field required")
    if starting < max(OLDEST, request.at - timedelta(days=365)):
        raise Refusal(400, "starting_at: must be within the last 365 days and not before 2026-01-01")
    if ending is None:
        if name is not None:
            raise Refusal(400, "ending_at: required with time_bucket_width")
        ending = min(request.at, starting + timedelta(days=31))
    if ending <= starting:
        raise Refusal(400, "ending_at: must be after starting_at")
    if (ending - starting).total_seconds() > _MOST[name or "1d"]:
        raise Refusal(400, "ending_at: the range is too long")
    step = WIDTHS[name or "1h"]
    return floor(starting, step), floor(ending, step)


def _ordered(question: _Question, rows: Sequence[Rows]) -> list[Group]:
    groups = list(_groups(question, rows))
    if question.order_by == "time" and question.width is not None:
        groups.sort(key=lambda group: -group.size(question.kind))
        groups.sort(key=lambda group: group.start, reverse=question.descending)
    else:
        groups.sort(key=lambda group: group.metric(question.order_by), reverse=question.descending)
    return groups


def _groups(question: _Question, rows: Sequence[Rows]) -> Iterator[Group]:
    """The groups of each interval that have any usage, over all organizations."""
    width = question.width or max(question.end - question.start, HOUR)
    for begin in range(question.start, question.end, width):
        dimensions = tuple(name for name in question.group_by if name not in COMPONENTS)
        groups: dict[tuple[Any, ...], Group] = {}
        for member in rows:
            member.collect(groups, begin, begin + width, dimensions, question.filters)
        yield from groups.values()


def _items(question: _Question, group: Group) -> Iterator[dict[str, Any]]:
    grouped = {name: group.key.get(name) for name in DIMENSIONS}
    times = {"starting_at": iso(group.start), "ending_at": iso(group.end)}
    if question.kind == "usage":
        yield {**times, "group": grouped, "usage": group.usage()}
        return
    for components, cost in group.costs(question.group_by):
        yield {**times, "group": grouped | components, "cost": cost}
