"""Minutes of usage -> use per limit group -> windows of five minutes with their peak minute. Pure.

Use (minute, workspace, model) -- group's own list of models --> tokens per scope, group and minute
    -- limits as they stood at that minute --> Window: peak, 95th percentile, minutes above
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from anthropic_metrics.headroom.limits import FAST_LIMITS, MEASURED, Ceiling, Group, Limits
from anthropic_metrics.kernel.questions import Splits, Use

MINUTE = 60
WINDOW = 300

# Caveats: what the figures could not leave out or know.
LIMITS_ASSUMED = "limits_assumed"
WORKSPACE_LIMITS_UNKNOWN = "workspace_limits_unknown"
BATCH_INCLUDED = "batch_included"
FAST_INCLUDED = "fast_included"
ORGANIZATION_UNKNOWN = "organization_unknown"


class Tokens:
    """What one scope used of one group in one minute."""

    __slots__ = ("cached", "fast_cached", "fast_fresh", "fast_output", "fresh", "output")

    def __init__(self) -> None:
        self.fresh = self.cached = self.output = 0
        self.fast_fresh = self.fast_cached = self.fast_output = 0

    def add(self, use: Use) -> None:
        if use.fast:
            self.fast_fresh += use.uncached + use.created
            self.fast_cached += use.cached
            self.fast_output += use.output
        else:
            self.fresh += use.uncached + use.created
            self.cached += use.cached
            self.output += use.output

    def against(self, limit_type: str, *, fast_apart: bool) -> int:
        """The tokens that count against a limit; fast ones count with the others unless `fast_apart`.

        Cache reads count only against the plain input limit, cache writes against both.
        """
        if limit_type == "fast_itpmca":
            return self.fast_fresh
        if limit_type == "fast_otpm":
            return self.fast_output
        fresh, cached, output = self.fresh, self.cached, self.output
        if not fast_apart:
            fresh, cached, output = (
                fresh + self.fast_fresh,
                cached + self.fast_cached,
                output + self.fast_output,
            )
        if limit_type == "output_tokens_per_minute":
            return output
        return fresh if limit_type == "input_tokens_per_minute_cache_aware" else fresh + cached


@dataclass(frozen=True, slots=True)
class Window:
    """One limit of one scope and group over the five minutes from `start`; `workspace` None: all of it.

    `ceiling` is the one at the peak minute, None where no group lists the model. `shares` and `counts` hold
    the minutes of the window in order, idle ones as 0. `organization_share` is the organization's peak.
    """

    start: int
    workspace: str | None
    group: Group
    limit_type: str
    ceiling: Ceiling | None
    counts: tuple[int, ...]
    shares: tuple[float, ...]
    above_80: int
    above_100: int
    peak_minute: int
    models: frozenset[str]
    caveats: frozenset[str]
    organization_share: float | None = None

    @property
    def unmapped(self) -> bool:
        return self.ceiling is None

    @property
    def peak_tokens(self) -> int:
        return self.counts[(self.peak_minute - self.start) // MINUTE]

    @property
    def peak_share(self) -> float:
        return self.shares[(self.peak_minute - self.start) // MINUTE]

    @property
    def headroom_share(self) -> float:
        """What is left at the peak minute: the smaller of the own and the organization's."""
        return 1 - max(self.peak_share, self.organization_share or 0.0)


def percentile_95(values: Sequence[float]) -> float:
    """The 95th percentile, interpolated between the two values beside it.

    By whole numbers as far as possible: of five equal values it is that value.
    """
    ordered = sorted(values)
    place, rest = divmod(19 * (len(ordered) - 1), 20)
    if not rest:
        return float(ordered[place])
    return (ordered[place] * (20 - rest) + ordered[place + 1] * rest) / 20


def share_of(tokens: int, limit: int) -> float:
    """Tokens as a fraction of a limit; a limit of 0 counts as 1, so that any use is over it."""
    return tokens / max(limit, 1)


@dataclass(slots=True)
class _Spent:
    """One scope's use of one group in one window."""

    group: Group
    mapped: bool
    minutes: dict[int, Tokens] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    caveats: set[str] = field(default_factory=set)
    # The group as it stood at each minute, for its limits then.
    groups: dict[int, Group] = field(default_factory=dict)


_Key = tuple[int, str | None, str, bool]


def windows(uses: Iterable[Use], limits: Limits, splits: Splits) -> list[Window]:
    """Every window of every scope and limit that `uses` fall into, in a fixed order.

    Use of a model that no group lists makes windows without a ceiling, in a group of that model's own.
    """
    spent = _spent(uses, limits, splits)
    measured: list[Window] = []
    peaks: dict[tuple[int, str, str], float] = {}
    # The organization (None, thus "") sorts before its workspaces, whose headroom depends on it.
    for (start, workspace, key, _), use in sorted(spent.items(), key=lambda item: _order(item[0])):
        for window in _measured(start, workspace, use, limits, splits):
            if workspace is None:
                peaks[start, key, window.limit_type] = window.peak_share
            measured.append(_beside(window, peaks.get((start, key, window.limit_type))))
    return measured


def _order(key: _Key) -> tuple[int, str, str, bool]:
    start, workspace, group, mapped = key
    return start, workspace or "", group, mapped


def _beside(window: Window, organization: float | None) -> Window:
    if window.workspace is None or window.unmapped:
        return window
    return replace(window, organization_share=organization)


def _spent(uses: Iterable[Use], limits: Limits, splits: Splits) -> dict[_Key, _Spent]:
    spent: dict[_Key, _Spent] = {}
    for use in uses:
        start = use.minute - use.minute % WINDOW
        snapshot, assumed = limits.organization.at(use.minute)
        groups = snapshot.by_model.get(use.model)
        mapped = groups is not None
        for group in groups or (_unmapped(use.model),):
            for workspace in _scopes(use, splits):
                key = (start, workspace, group.key, mapped)
                into = spent.get(key)
                if into is None:
                    into = spent[key] = _Spent(group, mapped)
                tokens = into.minutes.get(use.minute)
                if tokens is None:
                    tokens = into.minutes[use.minute] = Tokens()
                tokens.add(use)
                into.models.add(use.model)
                into.groups[use.minute] = group
                if assumed:
                    into.caveats.add(LIMITS_ASSUMED)
    return spent


def _scopes(use: Use, splits: Splits) -> Iterator[str | None]:
    if splits.every_workspace:
        yield None
    if splits.workspaces and use.workspace is not None:
        yield use.workspace


def _unmapped(model: str) -> Group:
    """Stands for a model that no group lists: no limit is known."""
    return Group(model, model, frozenset((model,)), {})


def _measured(
    start: int, workspace: str | None, use: _Spent, limits: Limits, splits: Splits
) -> Iterator[Window]:
    caveats = set(use.caveats)
    if not splits.tiers:
        caveats.add(BATCH_INCLUDED)
    if workspace is not None and not splits.every_workspace:
        caveats.add(ORGANIZATION_UNKNOWN)
    if not use.mapped:
        for limit_type in ("input_tokens_per_minute_cache_aware", "output_tokens_per_minute"):
            window = _window(start, workspace, use, limit_type, {}, caveats, fast_apart=False)
            if any(window.counts):
                yield window
        return
    ceilings: dict[int, dict[str, Ceiling]] = {}
    for minute, group in use.groups.items():
        ceilings[minute], assumed = limits.ceilings(group, workspace, minute)
        if assumed:
            caveats.add(LIMITS_ASSUMED)
    if workspace is not None and workspace != "Default" and workspace not in limits.workspaces:
        caveats.add(WORKSPACE_LIMITS_UNKNOWN)
    kinds = {kind for limits_then in ceilings.values() for kind in limits_then}
    has_fast = bool(kinds & set(FAST_LIMITS))
    if has_fast and not splits.speeds:
        caveats.add(FAST_INCLUDED)
    for limit_type in (kind for kind in MEASURED if kind in kinds):
        by_minute = {
            minute: limits_then[limit_type]
            for minute, limits_then in ceilings.items()
            if limit_type in limits_then
        }
        window = _window(start, workspace, use, limit_type, by_minute, caveats, fast_apart=has_fast)
        if any(window.counts):
            yield window


def _window(
    start: int,
    workspace: str | None,
    use: _Spent,
    limit_type: str,
    ceilings: Mapping[int, Ceiling],
    caveats: set[str],
    *,
    fast_apart: bool,
) -> Window:
    minutes = range(start, start + WINDOW, MINUTE)
    counts = {
        minute: use.minutes[minute].against(limit_type, fast_apart=fast_apart) if minute in use.minutes else 0
        for minute in minutes
    }
    shares = {
        minute: share_of(counts[minute], ceilings[minute].value) if minute in ceilings else 0.0
        for minute in minutes
    }
    # Of minutes equally close the one with more tokens, then the earliest.
    peak = max(minutes, key=lambda minute: (shares[minute], counts[minute], -minute))
    return Window(
        start=start,
        workspace=workspace,
        group=use.group,
        limit_type=limit_type,
        ceiling=ceilings.get(peak) or next(iter(ceilings.values()), None),
        counts=tuple(counts.values()),
        shares=tuple(shares.values()),
        above_80=sum(
            5 * counts[minute] > 4 * ceiling_then.value for minute, ceiling_then in ceilings.items()
        ),
        above_100=sum(counts[minute] > ceiling_then.value for minute, ceiling_then in ceilings.items()),
        peak_minute=peak,
        models=frozenset(use.models),
        caveats=frozenset(caveats),
    )
