"""`headroom --limit ... --model ...`: the same minutes under another limit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from anthropic_metrics.cli.cells import Kind
from anthropic_metrics.cli.common import check_workspace
from anthropic_metrics.cli.render import Answer, Column, Layout, Table
from anthropic_metrics.config import Config
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.headroom.build import moment
from anthropic_metrics.headroom.derivation import splits
from anthropic_metrics.headroom.limits import FAST_LIMITS, Group, Limits
from anthropic_metrics.headroom.snapshots import read_limits
from anthropic_metrics.headroom.whatif import Case, Outcome, what_if
from anthropic_metrics.kernel.datasets import RATE_LIMIT, USAGE_1M, stream_name
from anthropic_metrics.kernel.frame import DOCUMENTED_LAG
from anthropic_metrics.kernel.questions import LimitHistory, MinuteUse, Questions, Use
from anthropic_metrics.kernel.ranges import Range

_OUTCOME: tuple[tuple[str, Kind, str], ...] = (
    ("limit_value", "integer", "limit"),
    ("peak", "share", "peak"),
    ("p95", "share", "95 %"),
    ("minutes_above_80", "integer", "> 80 %"),
    ("minutes_above_100", "integer", "> 100 %"),
)
WHAT_IF = Layout(
    "what_if",
    Column("organization", table=False),
    Column("workspace", missing="(all)"),
    Column("limit"),
    Column("peak_tokens", "integer"),
    *(Column(name, kind, title) for name, kind, title in _OUTCOME),
    *(Column(f"if_{name}", kind, f"if: {title}") for name, kind, title in _OUTCOME),
)
MANY = 1000  # workspaces to name the nearest of
WORKSPACES = 10  # the largest ones, beside the organization
NO_MINUTES = "There is no usage by the minute yet: a what-if needs the stream usage_1m."
NO_SPEED = (
    "Fast mode is counted with the rest: usage.group_by has no `speed`, so fast_itpmca and fast_otpm cannot "
    "be measured."
)


@dataclass(frozen=True)
class Change:
    """Other limits by type for the group of a model, and whose: a workspace by id or name, else all."""

    limits: Mapping[str, int]
    model: str
    workspace: str | None = None


def what_if_answer(
    ask: Questions, config: Config, organization: str, time_range: Range, change: Change
) -> Answer:
    """The organization and its largest workspaces, or one of them, as they were and would have been."""
    minutes = ask.minutes(
        stream_name(USAGE_1M, config.namespace),
        organization,
        splits(config),
        tuple(config.usage.workspace_ids),
    )
    first = minutes.first() if organization else None
    if first is None:
        raise ConfigError(NO_MINUTES)
    if any(kind in FAST_LIMITS for kind in change.limits) and not minutes.splits.speeds:
        raise ConfigError(f"--limit: {NO_SPEED}")
    covered = Range(max(time_range.start, first), time_range.end)
    history = ask.limit_history(stream_name(RATE_LIMIT, config.namespace), organization)
    group = _group(change.model, _limits(history, Range(covered.end, covered.end), ()), covered.end)
    names = _workspaces(minutes, group, covered, change.workspace)
    limits = _limits(history, covered, names)
    uses = _uses(minutes, group, covered, names, is_everything=change.workspace is None)
    length = round((covered.end - covered.start) / timedelta(minutes=1))
    cases = what_if(uses, limits, group, change.limits, length)
    growing = f"Minutes from {covered.end - DOCUMENTED_LAG:%Y-%m-%d %H:%M} UTC on may still grow."
    return Answer(_table(cases, names, group, covered, organization), notes=[*map(_note, cases[:1]), growing])


def _limits(history: LimitHistory, time_range: Range, workspaces: Collection[str]) -> Limits:
    """The organization's limits that hold in `time_range`, and those of `workspaces`."""
    limits = read_limits(history, time_range.start, time_range.end, workspaces)
    if limits is None:
        raise ConfigError("There is no snapshot of the rate limits yet: the agent takes the first one.")
    return limits


def _group(model: str, limits: Limits, now: datetime) -> Group:
    """The group that lists the model now."""
    snapshot, _ = limits.organization.at(int(now.timestamp()))
    groups = snapshot.by_model.get(model)
    if not groups:
        known = ", ".join(sorted(snapshot.by_model))
        raise ConfigError(f"--model: no limit group lists {model!r}; listed are {known}")
    return groups[0]


def _workspaces(minutes: MinuteUse, group: Group, time_range: Range, workspace: str | None) -> dict[str, str]:
    """Ids and names of the workspaces to show."""
    if workspace is None:
        return minutes.largest(time_range.start, time_range.end, sorted(group.models), WORKSPACES)
    if not (named := minutes.named(workspace)):
        check_workspace(
            workspace, minutes.largest(time_range.start, time_range.end, sorted(group.models), MANY)
        )
        raise ConfigError(f"--workspace: there is no usage of {workspace!r} in this range")
    return named


def _uses(
    minutes: MinuteUse, group: Group, time_range: Range, workspaces: Mapping[str, str], *, is_everything: bool
) -> list[Use]:
    models = sorted(group.models)
    uses: list[Use] = []
    if is_everything and minutes.splits.every_workspace:
        uses += minutes.uses(time_range.start, time_range.end, models=models, by_workspace=False)
    if workspaces:
        uses += minutes.uses(time_range.start, time_range.end, models=models, workspaces=list(workspaces))
    return uses


def _table(
    cases: Sequence[Case], workspaces: Mapping[str, str], group: Group, time_range: Range, organization: str
) -> Table:
    title = (
        f"{group.name}: {time_range.start:%Y-%m-%d %H:%M} to {time_range.end:%Y-%m-%d %H:%M} UTC, and what if"
    )
    rows = [
        (
            organization,
            workspaces.get(case.workspace, case.workspace) if case.workspace else None,
            case.limit_type,
            case.peak_tokens,
            *_outcome(case.was),
            *_outcome(case.would_be),
        )
        for case in cases
    ]
    return WHAT_IF.table(rows, title=title, empty=f"{group.name}: no traffic in this range.")


def _outcome(outcome: Outcome | None) -> tuple[object, ...]:
    if outcome is None:
        return (None,) * len(_OUTCOME)
    shares = outcome.peak_share, outcome.p95_share
    return outcome.limit, *shares, outcome.above_80, outcome.above_100


def _note(case: Case) -> str:
    closest = moment(case.would_be.peak_minute)
    return (
        f"The peak minute began at {closest:%Y-%m-%d %H:%M} UTC. A workspace is compared with the new limit "
        "as if it had it to itself."
    )
