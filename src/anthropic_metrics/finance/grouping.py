"""Charges by team, workspace, key, model, line, day or tag, in any combination: one total for all. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.charges import UNATTRIBUTED, Charge
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.teams import UNASSIGNED
from anthropic_metrics.spend.money import ZERO, Usd, total
from anthropic_metrics.spend.rows import CONSOLE, DEFAULT_WORKSPACE

WAYS = ("team", "workspace", "key", "person", "model", "line", "day")
TAG = "tag:"
UNTAGGED = "Untagged"
NO_MODEL = "(no model)"
NO_WORKSPACE = "(no workspace)"
NOTHING = "(nothing)"


@dataclass(frozen=True, slots=True)
class By:
    """One grouping: `ways` are of WAYS or `tag:NAME`, the first one outermost."""

    ways: tuple[str, ...]

    @property
    def label(self) -> str:
        """Such as `team, model`."""
        return ", ".join(self.ways)

    @property
    def needs_people(self) -> bool:
        """Whether the bill has to be shared out over people first."""
        return "person" in self.ways

    @property
    def loses_models(self) -> bool:
        """Whether lines of the bill leave a part of its models out: web search names none there."""
        return "model" in self.ways and "line" not in self.ways and not self.needs_people

    def needs_keys(self, names: Names) -> bool:
        """Whether the bill has to be shared out over keys first: it knows none itself."""
        if self.needs_people:
            return False
        people_or_keys = any(team.api_keys or team.people for team in names.teams.teams)
        return "key" in self.ways or ("team" in self.ways and people_or_keys)


@dataclass(frozen=True, slots=True)
class Group:
    """The charges that are alike. `open_amount` is the part of `amount` whose days are not settled yet."""

    labels: tuple[str, ...]
    amount: Usd
    open_amount: Usd = ZERO
    before: Usd = ZERO
    tokens: int = 0

    @property
    def change(self) -> Usd:
        """Against the period before."""
        return Usd(total((self.amount, Usd(-self.before))))


def parse_by(texts: Iterable[str], names: Names) -> tuple[By, ...]:
    """Each text is one grouping: ways with commas between them. Raises ConfigError, with what is allowed."""
    bys = tuple(By(tuple(_way(way.strip(), names) for way in text.split(","))) for text in texts)
    for by in bys:
        if len(set(by.ways)) < len(by.ways):
            raise ConfigError(f"--by: {by.label} names something twice")
        if "line" in by.ways and by.needs_people:
            raise ConfigError(
                f"--by: {by.label}: a line of the bill names no person; repeat --by for two tables"
            )
        if "line" in by.ways and by.needs_keys(names):
            raise ConfigError(
                f"--by: {by.label}: a line of the bill names neither keys nor teams that have keys; "
                "group by one of them, or repeat --by for two tables"
            )
    if len(set(bys)) < len(bys):
        raise ConfigError("--by: the same grouping is named twice")
    return bys


def _way(text: str, names: Names) -> str:
    way = text if text.lower().startswith(TAG) else text.lower()
    if way == "team" and not names.teams:
        raise ConfigError(
            "--by team: the configuration has no teams; write them under `teams`, such as "
            "[{team: research, workspaces: [Data Science]}], or group by a tag of the workspaces "
            "(--by tag:NAME)"
        )
    if way in WAYS:
        return way
    if way.lower().startswith(TAG):
        return TAG + _known_tag(way[len(TAG) :], names)
    near = get_close_matches(way, WAYS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(WAYS)} and tag:NAME"
    raise ConfigError(f"--by: cannot group by this; {hint}")


def _known_tag(name: str, names: Names) -> str:
    tags = sorted({tag for space in names.workspaces.values() for tag in space.tags})
    if name in tags:
        return name
    if not tags:
        raise ConfigError("--by tag: no workspace has a tag that can be read")
    near = get_close_matches(name, tags, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(tags[:10])}"
    raise ConfigError(f"--by tag: no workspace has this tag; {hint}")


class Labels:
    """What a charge is called in each way; things that share a name are told apart by their ids."""

    def __init__(self, names: Names) -> None:
        self._names = names
        # A workspace that somebody called Default is not the default one, nor is a key called Console none.
        self._twice = _twice([space.name for space in names.workspaces.values()], DEFAULT_WORKSPACE)
        self._keys_twice = _twice(names.api_keys.values(), CONSOLE, UNATTRIBUTED)

    def of(self, charge: Charge, by: By) -> tuple[str, ...]:
        return tuple(self._label(charge, way) for way in by.ways)

    def _label(self, charge: Charge, way: str) -> str:
        if way.startswith(TAG):
            space = self._names.workspaces.get(charge.workspace_id or "")
            return (space.tags.get(way[len(TAG) :]) if space else None) or UNTAGGED
        return _LABELS[way](self, charge)

    def team(self, charge: Charge) -> str:
        team = self._names.team_of(charge.dimensions)
        return team["name"] if team else UNASSIGNED

    def workspace(self, charge: Charge) -> str:
        id_ = charge.workspace_id
        space = self._names.workspaces.get(id_ or "")
        if space is None:
            return id_ or NO_WORKSPACE
        return f"{space.name} ({id_})" if space.name in self._twice else space.name

    def key(self, charge: Charge) -> str:
        id_ = charge.api_key_id or UNATTRIBUTED
        if id_ in (CONSOLE, UNATTRIBUTED):
            return id_
        name = self._names.api_keys.get(id_, id_)
        return f"{name} ({id_})" if name in self._keys_twice else name

    def person(self, charge: Charge) -> str:
        return charge.dimensions.get("person") or UNATTRIBUTED

    def model(self, charge: Charge) -> str:
        return charge.model or NO_MODEL

    def line(self, charge: Charge) -> str:
        return charge.description or charge.cost_type or "(no description)"

    def day(self, charge: Charge) -> str:
        return charge.day.isoformat()


_LABELS: dict[str, Callable[[Labels, Charge], str]] = {
    "team": Labels.team,
    "workspace": Labels.workspace,
    "key": Labels.key,
    "person": Labels.person,
    "model": Labels.model,
    "line": Labels.line,
    "day": Labels.day,
}


def _twice(names: Iterable[str], *ours: str) -> set[str]:
    """The names that come more than once, those beside them that are ours counted."""
    return {name for name, count in Counter((*names, *ours)).items() if count > 1}


def key_notes(keys: Iterable[str | None], names: Names) -> Iterator[str]:
    """What the labels of these keys mean that are no names."""
    ids = {key or UNATTRIBUTED for key in keys}
    if CONSOLE in ids:
        yield f"`{CONSOLE}` is use without an API key, such as in the Console."
    if UNATTRIBUTED in ids:
        yield f"`{UNATTRIBUTED}` is a part of the bill that belongs to no key, such as code execution."
    if nameless := sorted(ids - {CONSOLE, UNATTRIBUTED} - names.api_keys.keys()):
        yield f"The Admin API has no name for keys that were deleted: {', '.join(nameless)}."


def group(
    charges: Iterable[Charge],
    by: By,
    labels: Labels,
    *,
    open_days: Collection[date] = (),
    before: Iterable[Charge] = (),
    teams: Iterable[str] = (),
) -> list[Group]:
    """The groups of `charges`, and of those of the period `before` that are alike; highest amount first, days
    in their order. With days among the ways, the period before has no like days and is left out. By team,
    each of `teams` has a group, of nothing where nothing belongs to it."""
    sums: dict[tuple[str, ...], _Sum] = {}
    for charge in charges:
        own = sums.setdefault(labels.of(charge, by), _Sum())
        own.amounts.append(charge.amount)
        own.tokens += charge.tokens
        if charge.day in open_days:
            own.open.append(charge.amount)
    for charge in () if "day" in by.ways else before:
        sums.setdefault(labels.of(charge, by), _Sum()).before.append(charge.amount)
    if by.ways[0] == "team":
        inner = (NOTHING,) * (len(by.ways) - 1)
        for team in set(teams) - {key[0] for key in sums}:
            sums[team, *inner] = _Sum()
    groups = [
        Group(key, total(own.amounts), total(own.open), total(own.before), own.tokens)
        for key, own in sums.items()
    ]
    return _ordered(groups, by)


class _Sum:
    def __init__(self) -> None:
        self.amounts: list[Usd] = []
        self.open: list[Usd] = []
        self.before: list[Usd] = []
        self.tokens = 0


def _ordered(groups: list[Group], by: By) -> list[Group]:
    """Outer groups by their subtotal, the groups of each by their amount."""
    outer: dict[str, Usd] = {}
    for group in groups:
        outer[group.labels[0]] = Usd(total((outer.get(group.labels[0], ZERO), group.amount)))
    by_day = by.ways[0] == "day"

    def order(group: Group) -> tuple[object, ...]:
        first = group.labels[0]
        inner = [label if way == "day" else "" for way, label in zip(by.ways, group.labels, strict=True)]
        return (first if by_day else "", -outer[first], first, inner, -group.amount, group.labels)

    return sorted(groups, key=order)


def subtotals(groups: Sequence[Group]) -> Iterator[Group]:
    """The outermost groups of a grouping with several ways, in the order of `groups`."""
    for first in dict.fromkeys(group.labels[0] for group in groups):
        yield summed([group for group in groups if group.labels[0] == first], (first,))


def summed(groups: Sequence[Group], labels: tuple[str, ...] = ()) -> Group:
    """All of them as one."""
    return Group(
        labels,
        total(group.amount for group in groups),
        total(group.open_amount for group in groups),
        total(group.before for group in groups),
        sum(group.tokens for group in groups),
    )
