"""An hour of the cost analytics report, put on the hour's rows of usage. Pure.

The two reports spell dimensions differently: the default workspace has a real id there, an unknown geo is
null, models have their short names. What usage shows for the same hour tells what is meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from anthropic_metrics.admin_api.rows import CostItem, Group, UsageItem
from anthropic_metrics.kernel.currency import is_usd
from anthropic_metrics.spend.allocate import Parts
from anthropic_metrics.spend.money import ZERO, Usd, share_count, share_out, total, usd_from_cents
from anthropic_metrics.spend.rows import (
    CONSOLE,
    DEFAULT_WORKSPACE,
    OTHER,
    PART_NAMES,
    SEARCHES,
    TOKEN_TYPES,
    TOKENS,
    UNKNOWN_GEO,
    WEB_SEARCH,
    Used,
)

# The dimensions of usage that both reports have, by what the analytics reports are asked for. An actor is the
# person if one is known, else the service account, else neither.
JOINED = {
    "workspace_id": "workspace_id",
    "api_key_id": "api_key_id",
    "account_id": "actor",
    "service_account_id": "actor",
    "model": "model",
    "service_tier": "service_tier",
    "context_window": "context_window",
    "inference_geo": "inference_geo",
    "speed": "speed",
}
_OF_ACTOR = {
    "account_id": ("user_actor", "user_id"),
    "service_account_id": ("service_account_actor", "service_account_id"),
}
_SNAPSHOT = re.compile(r"-\d{8}$")

# The values of the joined dimensions; None fits any.
_Key = tuple[str | None, ...]


@dataclass
class BilledShare:
    """What the report has for one row of usage. `requests` is None where it does not say."""

    parts: list[Usd] = field(default_factory=lambda: [ZERO] * len(PART_NAMES))
    listed: Usd = ZERO
    requests: int | None = None
    has_cost: bool = False

    @property
    def amount(self) -> Usd:
        return total(self.parts)


@dataclass(frozen=True)
class Unmatched:
    """What the report has and no row of usage can carry. `dimensions` in the spelling of usage."""

    dimensions: Mapping[str, str | None]
    cost_type: str | None
    amount: Usd
    parts: Parts
    listed: Usd


@dataclass(frozen=True)
class BilledHour:
    """An hour's shares by the row's id, and the rest. Together they are the report, digit for digit."""

    shares: Mapping[str, BilledShare]
    unmatched: tuple[Unmatched, ...]

    @property
    def amount(self) -> Usd:
        shares = (share.amount for share in self.shares.values())
        return total((*shares, *(line.amount for line in self.unmatched)))


def joined(group_by: Collection[str]) -> tuple[str, ...]:
    """The dimensions of usage that both reports have, of those that usage is grouped by."""
    return tuple(name for name in JOINED if name in group_by)


def dimensions_of(group_by: Collection[str]) -> tuple[str, ...]:
    """What to group the analytics reports by to join them with usage that is grouped by `group_by`.

    No more than they allow, since usage has no more.
    """
    return tuple(dict.fromkeys(JOINED[name] for name in joined(group_by)))


class Spelling:
    """The reports' spelling turned into that of usage. `workspaces` are the ids that have a name."""

    def __init__(self, rows: Iterable[Used], workspaces: Collection[str]) -> None:
        self._shown = {row.dimensions.get("workspace_id") for row in rows}
        self._workspaces = workspaces

    def workspace(self, id_: str | None) -> str | None:
        """The default workspace is the one that usage never names and no list has."""
        if id_ is None or id_ in self._shown or id_ in self._workspaces:
            return id_
        return DEFAULT_WORKSPACE if DEFAULT_WORKSPACE in self._shown or not self._shown else id_

    def value(self, name: str, group: Group) -> str | None:
        """A row's value of a dimension of usage."""
        if name in _OF_ACTOR:
            type_, id_ = _OF_ACTOR[name]
            actor = group.actor or {}
            return actor.get(id_) if actor.get("type") == type_ else None
        value: str | None = getattr(group, name)
        match name:
            case "workspace_id":
                return self.workspace(value)
            case "api_key_id":
                return value or CONSOLE
            case "inference_geo":
                return value or UNKNOWN_GEO
        return value


def people_of_rows(rows: Iterable[Used]) -> set[str]:
    """The ids of people and service accounts in usage."""
    return {id_ for row in rows for name in _OF_ACTOR if (id_ := row.dimensions.get(name))}


def people_of_items(items: Iterable[CostItem]) -> set[str]:
    """The same in a report's rows."""
    actors = [item.group.actor or {} for item in items]
    return {
        str(actor[id_])
        for actor in actors
        for type_, id_ in _OF_ACTOR.values()
        if actor.get("type") == type_ and actor.get(id_)
    }


def other_ids(usage: Collection[str], report: Collection[str]) -> bool:
    """Whether the report names people in another way than usage does, so that nothing can join them."""
    kinds, others = ({id_.partition("_")[0] for id_ in ids} for ids in (usage, report))
    return bool(kinds and others) and kinds.isdisjoint(others)


def bill_hour(
    rows: Sequence[Used],
    costs: Iterable[CostItem],
    uses: Iterable[UsageItem],
    group_by: tuple[str, ...],
    workspaces: Collection[str],
) -> BilledHour:
    """Put an hour's report on its rows. `group_by` is what `joined` says.

    Where several rows fit one of the report's, they share it in proportion to their tokens of its type, or
    to their web searches; requests in proportion to all tokens. What fits none stands by itself.
    """
    spelling, index = Spelling(rows, workspaces), _Index(rows, group_by)
    shares: dict[str, BilledShare] = {}
    rest: dict[tuple[str | None, ...], Unmatched] = {}
    for item in costs:
        if not is_usd(item.cost.currency):
            continue
        group, part = item.group, _part(item.group)
        values = {name: spelling.value(name, group) for name in group_by}
        amount, listed = (usd_from_cents(Decimal(text)) for text in (item.cost.amount, item.cost.list_amount))
        fitting = [] if part == OTHER else index.fitting(_wanted(values, group, part))
        fitting = [row for row in fitting if row.counts[part]]
        if not fitting:
            _rest(rest, values, group, part, (amount, listed))
            continue
        weights = [row.counts[part] for row in fitting]
        for row, one, at_list in zip(
            fitting, share_out(amount, weights), share_out(listed, weights), strict=True
        ):
            share = shares.setdefault(row.id, BilledShare())
            share.parts[part] = total((share.parts[part], one))
            share.listed = total((share.listed, at_list))
            share.has_cost = True
    for use in uses:
        _count_requests(use, spelling, index, group_by, shares)
    return BilledHour(shares, tuple(rest.values()))


def _count_requests(
    use: UsageItem,
    spelling: Spelling,
    index: _Index,
    group_by: tuple[str, ...],
    shares: dict[str, BilledShare],
) -> None:
    requests = use.usage.requests
    fitting = index.fitting(tuple(spelling.value(name, use.group) for name in group_by))
    weights = [row.counts.tokens for row in fitting]
    if requests is None or not any(weights):
        return
    for row, count in zip(fitting, share_count(requests, weights), strict=True):
        share = shares.setdefault(row.id, BilledShare())
        share.requests = (share.requests or 0) + count


class _Index:
    """The hour's rows by the joined dimensions; models by their short names."""

    def __init__(self, rows: Sequence[Used], group_by: tuple[str, ...]) -> None:
        self._exact: dict[_Key, list[Used]] = {}
        for row in rows:
            key = tuple(_canonical(name, row.dimensions.get(name)) for name in group_by)
            self._exact.setdefault(key, []).append(row)
        self._names = group_by

    def fitting(self, wanted: _Key) -> list[Used]:
        """The rows with these values; None fits any, but for a person: there it is nobody that is known."""
        key = tuple(_canonical(name, value) for name, value in zip(self._names, wanted, strict=True))
        if (exact := self._exact.get(key)) is not None:
            return exact
        open_ = [
            place for place, name in enumerate(self._names) if wanted[place] is None and name not in _OF_ACTOR
        ]
        if not open_:
            return []
        return [
            row
            for known, rows in self._exact.items()
            if all(place in open_ or key[place] == other for place, other in enumerate(known))
            for row in rows
        ]


def _canonical(name: str, value: str | None) -> str | None:
    if name == "model":
        return None if value is None else _SNAPSHOT.sub("", value)
    if name == "inference_geo":
        return value or UNKNOWN_GEO
    return value


def _wanted(values: Mapping[str, str | None], group: Group, part: int) -> _Key:
    """Web searches may lack any dimension, and then fit all of its values."""
    return tuple(
        None if part == SEARCHES and getattr(group, JOINED[name]) is None and name != "api_key_id" else value
        for name, value in values.items()
    )


def _part(group: Group) -> int:
    if group.cost_type == WEB_SEARCH:
        return SEARCHES
    if group.cost_type == TOKENS and group.token_type in TOKEN_TYPES:
        return TOKEN_TYPES.index(group.token_type)
    return OTHER


def _rest(
    rest: dict[tuple[str | None, ...], Unmatched],
    values: dict[str, str | None],
    group: Group,
    part: int,
    amounts: tuple[Usd, Usd],
) -> None:
    """Rows that are alike but for their token type become one."""
    if group.cost_type not in (TOKENS, WEB_SEARCH):
        # Code execution and sessions have no key and no place, rather than none that is known.
        values = {name: value if getattr(group, JOINED[name]) else None for name, value in values.items()} | {
            "workspace_id": values.get("workspace_id")
        }
    key = (group.cost_type, *values.values())
    before = rest.get(key)
    parts = [ZERO] * len(PART_NAMES) if before is None else list(before.parts)
    parts[part] = total((parts[part], amounts[0]))
    listed = total((amounts[1], ZERO if before is None else before.listed))
    rest[key] = Unmatched(values, group.cost_type, total(parts), tuple(parts), listed)
