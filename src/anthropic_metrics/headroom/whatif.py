"""How a past range would have looked under other limits, to argue for an increase or a split. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from anthropic_metrics.headroom.limits import FAST_LIMITS, Group, Limits
from anthropic_metrics.headroom.windows import Tokens, percentile_95, share_of
from anthropic_metrics.kernel.questions import Use


@dataclass(frozen=True)
class Outcome:
    """Minutes held against a limit; `limit` is the one at the peak minute."""

    limit: int
    peak_share: float
    peak_minute: int
    p95_share: float
    above_80: int
    above_100: int


@dataclass(frozen=True)
class Case:
    """One scope's minutes as they were and as they would have been; `was` None: there was no such limit."""

    workspace: str | None
    limit_type: str
    peak_tokens: int
    was: Outcome | None
    would_be: Outcome


def what_if(
    uses: Iterable[Use], limits: Limits, group: Group, wanted: Mapping[str, int], minutes: int
) -> list[Case]:
    """Every limit of `wanted` (tokens by type) for each workspace in `uses`; None is the organization.

    `minutes` is the length of the range, so that idle ones count in the percentile. `uses` are of `group`'s
    models only. A workspace is held against the new limit as if it were its own alone: what a split gives.
    """
    spent: dict[str | None, dict[int, Tokens]] = {}
    for use in uses:
        spent.setdefault(use.workspace, {}).setdefault(use.minute, Tokens()).add(use)
    fast_apart = any(kind in FAST_LIMITS for kind in (*group.limits, *wanted))
    cases = []
    for workspace, by_minute in spent.items():
        for limit_type, value in wanted.items():
            counts = {
                minute: tokens.against(limit_type, fast_apart=fast_apart)
                for minute, tokens in by_minute.items()
            }
            if any(counts.values()):
                was = _in_force(counts, limits, group, workspace, limit_type)
                would_be = _outcome(counts, dict.fromkeys(counts, value), minutes)
                past = _outcome(counts, was, minutes) if was else None
                cases.append(Case(workspace, limit_type, max(counts.values()), past, would_be))
    return sorted(cases, key=lambda case: (case.workspace is not None, -case.would_be.peak_share))


def _in_force(
    counts: Mapping[int, int], limits: Limits, group: Group, workspace: str | None, limit_type: str
) -> dict[int, int]:
    """The limit at every minute that had one."""
    in_force = {}
    for minute in counts:
        snapshot, _ = limits.organization.at(minute)
        then = snapshot.like(group)
        ceilings = limits.ceilings(then, workspace, minute)[0] if then else {}
        if limit_type in ceilings:
            in_force[minute] = ceilings[limit_type].value
    return in_force


def _outcome(counts: Mapping[int, int], ceilings: Mapping[int, int], minutes: int) -> Outcome:
    shares = {minute: share_of(counts[minute], limit) for minute, limit in ceilings.items()}
    closest = max(shares, key=lambda minute: (shares[minute], -minute))
    idle = [0.0] * max(0, minutes - len(shares))
    return Outcome(
        limit=ceilings[closest],
        peak_share=shares[closest],
        peak_minute=closest,
        p95_share=percentile_95([*idle, *shares.values()]),
        above_80=sum(5 * counts[minute] > 4 * limit for minute, limit in ceilings.items()),
        above_100=sum(counts[minute] > limit for minute, limit in ceilings.items()),
    )
