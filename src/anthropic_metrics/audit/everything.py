"""Every stream that the configuration keeps: compared, or named with the reason why not."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from elasticsearch import Elasticsearch

from anthropic_metrics.agent.jobs import Pollers
from anthropic_metrics.audit.compare import Audited, audit, compare
from anthropic_metrics.audit.limits import audit_limits
from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.documents.mapping import DATASETS
from anthropic_metrics.elastic.contents import Contents, Share, contents
from anthropic_metrics.elastic.polls import LastPoll, last_polls
from anthropic_metrics.headroom.windows import WINDOW
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.frame import DOCUMENTED_LAG
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ranges import WIDTHS, Range, floor
from anthropic_metrics.reports.poller import ViewPoller


@dataclass
class Report:
    """What an audit found. `others` holds per stream what other shippers and organizations wrote, `strays`
    those of the organizations that no key of the namespace polls."""

    compared: list[Audited] = field(default_factory=list)
    not_compared: dict[str, str] = field(default_factory=dict)
    others: dict[str, Contents] = field(default_factory=dict)
    strays: dict[str, tuple[Share, ...]] = field(default_factory=dict)
    silent: dict[str, str] = field(default_factory=dict)

    @property
    def equal(self) -> bool:
        """Whether something was compared, all of it is equal and nobody else writes to the streams."""
        foreign = any(held.foreign for held in self.others.values())
        wrong = foreign or self.strays or self.silent
        return bool(self.compared) and not wrong and all(result.equal for result in self.compared)


@dataclass(frozen=True)
class Asked:
    """The range of an audit; `until` is None for what is settled: closed, and read since by a poll."""

    since: datetime | None
    until: datetime | None


def audit_all(
    es: Elasticsearch,
    config: Config,
    pollers: Pollers,
    inventory: Inventory,
    asked: Asked,
    now: datetime,
    shared_with: Collection[str] = (),
) -> Report:
    """Compare what `pollers` keep with the API. `shared_with` are the organizations that other keys poll.

    Raises what reading the API and Elasticsearch raises.
    """
    report = Report()
    polls = last_polls(es, stream_name(AGENT, config.namespace))
    for poller in pollers.views:
        _audit_view(es, pollers, poller, inventory, asked, polls.get(poller.view.stream), now, report)
    if pollers.limits is not None:
        result = audit_limits(es, pollers.limits, inventory, now)
        if result is None:
            report.not_compared[pollers.limits.stream] = "there is no snapshot of the limits yet"
        else:
            report.compared.append(result)
    _audit_headroom(es, config, pollers, inventory, asked, polls, now, report)
    _look_for_others(es, _streams(config, pollers), inventory, asked, now, shared_with, report)
    return report


def settled(poll: LastPoll | None, now: datetime, step: timedelta) -> datetime:
    """The end of the last bucket that was closed, and documented as reported, when a poll last read it."""
    read_at = now
    if poll is not None and poll.read_at is not None and poll.read_to is not None:
        read_at = min(now, poll.read_at, poll.read_to + DOCUMENTED_LAG)
    return floor(read_at - DOCUMENTED_LAG, step)


def _audit_view(
    es: Elasticsearch,
    pollers: Pollers,
    poller: ViewPoller,
    inventory: Inventory,
    asked: Asked,
    poll: LastPoll | None,
    now: datetime,
    report: Report,
) -> None:
    view, step = poller.view, WIDTHS[poller.view.width]
    begin = asked.since or pollers.history(poller).start
    end = asked.until or settled(poll, now, step)
    window = pollers.older_range(poller, Range(begin, end)) if begin < end else None
    if window is None:
        report.not_compared[view.stream] = f"no bucket of {view.width} is settled in this range"
        return
    report.compared.append(audit(es, poller, inventory, window, now))
    if asked.until is None and poll is not None and poll.is_silent(now):
        at = (
            "no poll has succeeded"
            if poll.read_at is None
            else f"last read at {poll.read_at:%Y-%m-%d %H:%MZ}"
        )
        report.silent[view.stream] = at


def _audit_headroom(
    es: Elasticsearch,
    config: Config,
    pollers: Pollers,
    inventory: Inventory,
    asked: Asked,
    polls: dict[str, LastPoll],
    now: datetime,
    report: Report,
) -> None:
    """Headroom computed afresh from the minutes and the limits, as of the last poll of the minutes."""
    poller, step = pollers.headroom, timedelta(seconds=WINDOW)
    if poller is None:
        return
    whole = pollers.minutes_range()
    ends = [settled(polls.get(stream), now, step) for stream in (pollers.minutes_stream(), poller.stream)]
    window = Range(
        floor(max(whole.start, asked.since or whole.start), step),
        min(whole.end, floor(asked.until, step) if asked.until else min(ends)),
    )
    if window.start >= window.end:
        report.not_compared[poller.stream] = "no window is settled in this range"
        return
    result = Audited(poller.stream, window)
    workspaces = config.usage.workspace_ids
    terms = {
        "organization.id": [inventory.names(now).organization_id],
        **({"anthropic.workspace.id": workspaces} if workspaces else {}),
    }
    wanted = (document for document in poller.documents(window, es) if _within(document, window))
    compare(es, result, wanted, terms)
    if result.documents_here or result.documents_there:
        report.compared.append(result)
    else:
        report.not_compared[poller.stream] = "there is no usage by the minute in this range"


def _within(document: Prepared, window: Range) -> bool:
    return window.start <= datetime.fromisoformat(str(document.source["@timestamp"])) < window.end


def _streams(config: Config, pollers: Pollers) -> Iterator[str]:
    """Whose contents to look at: every stream of the namespace, or those of the pollers that were named."""
    kept = [poller.view.stream for poller in pollers.views]
    kept += [each.stream for each in (pollers.limits, pollers.headroom) if each is not None]
    if pollers.all:
        yield from (stream_name(dataset, config.namespace) for dataset in DATASETS)
    else:
        yield from kept


def _look_for_others(
    es: Elasticsearch,
    streams: Iterable[str],
    inventory: Inventory,
    asked: Asked,
    now: datetime,
    shared_with: Collection[str],
    report: Report,
) -> None:
    organization = inventory.names(now).organization_id
    for stream in streams:
        held = contents(es, stream, organization, asked.since, asked.until)
        if held.foreign or held.organizations:
            report.others[stream] = held
        if strays := tuple(share for share in held.organizations if share.name not in shared_with):
            report.strays[stream] = strays
