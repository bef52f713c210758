"""`headroom --limit ... --model ...`: the same minutes under another limit."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from elasticsearch import Elasticsearch
from rich.table import Table

from anthropic_metrics.cli.common import out
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.lookup import refresh
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.headroom.build import moment
from anthropic_metrics.headroom.limits import FAST_LIMITS, Group, Limits
from anthropic_metrics.headroom.minutes import Minutes, organizations
from anthropic_metrics.headroom.snapshots import read_limits
from anthropic_metrics.headroom.whatif import Case, Outcome, what_if
from anthropic_metrics.headroom.windows import Use
from anthropic_metrics.kernel.datasets import RATE_LIMIT, USAGE_1M, stream_name
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.limits.snapshots import Snapshots

WORKSPACES = 10  # the largest ones, beside the organization
NO_MINUTES = "There is no usage by the minute yet: a what-if needs the stream usage_1m."
NO_SPEED = (
    "Fast mode is counted with the rest: usage.group_by has no `speed`, so fast_itpmca and fast_otpm cannot "
    "be measured."
)


def print_what_if(
    es: Elasticsearch,
    config: Config,
    span: Range,
    wanted: dict[str, int],
    model: str,
    workspace: str | None,
) -> None:
    """Print the organization and its largest workspaces, or one of them, as they were and would have been."""
    stream = stream_name(USAGE_1M, config.namespace)
    refresh(es, stream)
    owners = organizations(es, stream)
    if not owners:
        raise ConfigError(NO_MINUTES)
    for organization in owners:
        minutes = Minutes.of(es, config, organization)
        first = minutes.first()
        if first is None:
            raise ConfigError(NO_MINUTES)
        if any(kind in FAST_LIMITS for kind in wanted) and not minutes.asked.speeds:
            raise ConfigError(f"--limit: {NO_SPEED}")
        held = Range(max(span.start, first), span.end)
        snapshots = Snapshots(es, stream_name(RATE_LIMIT, config.namespace), organization)
        group = _group(model, _limits(snapshots, Range(held.end, held.end), ()), held.end)
        names = _workspaces(minutes, group, held, workspace)
        limits = _limits(snapshots, held, names)
        uses = _uses(minutes, group, held, names, whole=workspace is None)
        length = round((held.end - held.start) / timedelta(minutes=1))
        _print(what_if(uses, limits, group, wanted, length), names, group, held)


def _limits(snapshots: Snapshots, span: Range, workspaces: Collection[str]) -> Limits:
    """The organization's limits that hold in `span`, and those of `workspaces`."""
    limits = read_limits(snapshots, span.start, span.end, workspaces)
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


def _workspaces(minutes: Minutes, group: Group, span: Range, workspace: str | None) -> dict[str, str]:
    """Ids and names of the workspaces to show."""
    if workspace is None:
        return minutes.largest(span.start, span.end, sorted(group.models), WORKSPACES)
    if not (named := minutes.named(workspace)):
        raise ConfigError(f"--workspace: no usage of a workspace with the id or name {workspace!r}")
    return named


def _uses(
    minutes: Minutes, group: Group, span: Range, workspaces: Mapping[str, str], *, whole: bool
) -> list[Use]:
    models = sorted(group.models)
    uses: list[Use] = []
    if whole and minutes.asked.whole:
        uses += minutes.uses(span.start, span.end, models=models, by_workspace=False)
    if workspaces:
        uses += minutes.uses(span.start, span.end, models=models, workspaces=list(workspaces))
    return uses


def _print(cases: Sequence[Case], workspaces: Mapping[str, str], group: Group, span: Range) -> None:
    title = f"{group.name}: {span.start:%Y-%m-%d %H:%M} to {span.end:%Y-%m-%d %H:%M} UTC, and what if"
    columns = ("peak tokens", "limit", "peak", "95 %", "> 80 %", "> 100 %")
    table = make_table(title, ("workspace", "limit"), (*columns, *(f"if: {name}" for name in columns[1:])))
    for case in cases:
        whose = workspaces.get(case.workspace, case.workspace) if case.workspace else "(all)"
        names = (whose, case.limit_type, f"{case.peak_tokens:,}")
        table.add_row(*names, *_cells(case.was), *_cells(case.would_be))
    out.print(table)
    if cases:
        closest = moment(cases[0].would_be.peak_minute)
        out.print(
            f"The closest minute began at {closest:%Y-%m-%d %H:%M} UTC. A workspace is held against the new "
            "limit as if it were its own alone.",
            highlight=False,
            soft_wrap=True,
        )


def _cells(outcome: Outcome | None) -> tuple[str, ...]:
    if outcome is None:
        return ("-",) * 5
    shares = percent(outcome.peak_share), percent(outcome.p95_share)
    return f"{outcome.limit:,}", *shares, f"{outcome.above_80:,}", f"{outcome.above_100:,}"


def make_table(title: str, texts: Sequence[str], numbers: Sequence[str]) -> Table:
    """An empty table with columns of text, then of numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in texts:
        table.add_column(column)
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def percent(share: float) -> str:
    """A share as whole per cent, with a decimal where it is small."""
    return f"{share:.0%}" if abs(share) >= 0.1 or not share else f"{share:.1%}"
