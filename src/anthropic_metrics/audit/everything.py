"""Every stream that the configuration keeps: compared, or named with the reason why not."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.audit.compare import Audited, audit, compare_runs
from anthropic_metrics.audit.inventory import audit_inventory
from anthropic_metrics.audit.limits import audit_limits
from anthropic_metrics.audit.people import audit_people
from anthropic_metrics.audit.spend import audit_spend
from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.contents import Contents, Share, contents
from anthropic_metrics.elastic.polls import LastPoll, last_polls
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.inventory.poller import InventoryPoller
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.frame import DOCUMENTED_LAG
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ports import Documents, Poller
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import DAY, WIDTHS, Range, Width, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.limits.poller import RateLimitPoller
from anthropic_metrics.people.poller import PeoplePoller
from anthropic_metrics.reports.poller import ViewPoller
from anthropic_metrics.spend.keeper import SpendKeeper
from anthropic_metrics.streams.registry import BY_DATASET, STREAMS
from anthropic_metrics.streams.stream import Total


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
        return bool(self.compared) and not self.wrong and all(result.equal for result in self.compared)

    @property
    def wrong(self) -> bool:
        """Whether others write to the streams, or nobody reads one any more."""
        foreign = any(other.foreign for other in self.others.values())
        return bool(foreign or self.strays or self.silent)


@dataclass(frozen=True)
class Bounds:
    """The range of an audit; `until` is None for what is settled: closed, and read since by a poll."""

    since: datetime | None
    until: datetime | None


def audit_all(
    es: Client,
    organization: Organization,
    bounds: Bounds,
    now: datetime,
    shared_with: Collection[str] = (),
) -> Report:
    """Compare what the pollers keep with the API. `shared_with` are the organizations that other keys poll.

    Raises what reading the API and Elasticsearch raises.
    """
    report, inventory = Report(), organization.inventory
    polls = last_polls(
        es, stream_name(AGENT, organization.config.namespace), inventory.names(now).organization_id
    )
    ask = ElasticQuestions(es, must_refresh=False)
    for poller in organization.pollers:
        if isinstance(poller, RateLimitPoller):
            result = audit_limits(ask, poller, inventory, now)
            if result is None:
                report.not_compared[poller.stream] = "there is no snapshot of the limits yet"
            else:
                report.compared.append(result)
        elif isinstance(poller, DerivedPoller):
            _audit_derived(es, ask, poller, inventory, bounds, polls, now, report)
        elif isinstance(poller, PeoplePoller):
            _audit_people(es, ask, poller, inventory, bounds, polls.get(poller.stream), now, report)
        elif isinstance(poller, InventoryPoller):
            _audit_inventory(ask, poller, inventory, now, report)
        elif (total := BY_DATASET[poller.dataset].total) is not None:
            _audit_report(es, poller, total, inventory, bounds, polls.get(poller.stream), now, report)
        else:
            # Equal is never said of what nobody compared.
            report.not_compared[poller.stream] = "the Admin API has nothing to compare it with"
    _look_for_others(es, organization, bounds, now, shared_with, report)
    return report


def settled(poll: LastPoll | None, now: datetime, step: timedelta) -> datetime:
    """The end of the last bucket that was closed, and documented as reported, when a poll last read it."""
    read_at = now
    if poll is not None and poll.read_at is not None and poll.read_to is not None:
        read_at = min(now, poll.read_at, poll.read_to + DOCUMENTED_LAG)
    return floor(read_at - DOCUMENTED_LAG, step)


def _window(poller: Poller, bounds: Bounds, settled_until: datetime, now: datetime) -> Range | None:
    """The buckets to compare, up to `settled_until` where no end is asked for; None if there is none."""
    history = poller.range()
    begin = bounds.since or (history.start if history else now)
    end = bounds.until or settled_until
    return poller.range(Range(begin, end)) if begin < end else None


def _audit_report(
    es: Client,
    poller: Poller,
    total: Total,
    inventory: Inventory,
    bounds: Bounds,
    poll: LastPoll | None,
    now: datetime,
    report: Report,
) -> None:
    width: Width = poller.view.width if isinstance(poller, ViewPoller) else "1d"
    window = _window(poller, bounds, settled(poll, now, WIDTHS[width]), now)
    if window is None:
        report.not_compared[poller.stream] = f"no bucket of {width} is settled in this range"
        return
    report.compared.append(audit(es, poller, total, inventory, window, now))
    if bounds.until is None and poll is not None and poll.is_silent(now):
        at = (
            "no poll has succeeded"
            if poll.read_at is None
            else f"last read at {poll.read_at:%Y-%m-%d %H:%MZ}"
        )
        report.silent[poller.stream] = at


def _audit_derived(
    es: Client,
    ask: Questions,
    poller: DerivedPoller,
    inventory: Inventory,
    bounds: Bounds,
    polls: dict[str, LastPoll],
    now: datetime,
    report: Report,
) -> None:
    """Computed afresh from its inputs, as of the last poll of them."""
    keeper, step = poller.keeper, poller.keeper.settles_by
    history, source = keeper.history(now), keeper.completed_by
    streams = [poller.stream, *([stream_name(source, keeper.namespace)] if source else [])]
    window = Range(
        floor(max(history.start, bounds.since or history.start), step),
        min(
            history.end,
            floor(bounds.until, step)
            if bounds.until
            else min(settled(polls.get(stream), now, step) for stream in streams),
        ),
    )
    if window.start >= window.end:
        report.not_compared[poller.stream] = "no window is settled in this range"
        return
    names = inventory.names(now)
    if isinstance(keeper, SpendKeeper):
        poll = polls.get(poller.stream)
        at = poll.read_at if poll is not None and poll.read_at is not None else now
        results = audit_spend(es, ask, keeper, window, names, at)
    else:
        result, tally = Audited(poller.stream, window), Tally(poller.only, poller.stream)
        terms = {"organization.id": [names.organization_id], **poller.terms}
        runs = (_within(window, *computed) for computed in poller.computed(window, ask, tally))
        compare_runs(es, result, runs, terms)
        results = [result] if result.documents_here or result.documents_there else []
    report.compared += results
    if not results:
        report.not_compared[poller.stream] = "there is no usage in this range"


def _audit_people(
    es: Client,
    ask: Questions,
    poller: PeoplePoller,
    inventory: Inventory,
    bounds: Bounds,
    poll: LastPoll | None,
    now: datetime,
    report: Report,
) -> None:
    """Days that ended a whole day before the last poll: the reports are hours late."""
    window = _window(poller, bounds, settled(poll, now, DAY) - DAY, now)
    if window is None:
        report.not_compared[poller.stream] = "no day is settled in this range"
        return
    result = audit_people(es, ask, poller, window, inventory.names(now).organization_id)
    if isinstance(result, Audited):
        report.compared.append(result)
    else:
        report.not_compared[poller.stream] = result


def _audit_inventory(
    ask: Questions, poller: InventoryPoller, inventory: Inventory, now: datetime, report: Report
) -> None:
    """The lists of now, whatever the range: they have no past in the API."""
    result, refused = audit_inventory(ask, poller, inventory.names(now).organization_id, now)
    if result is None:
        report.not_compared[poller.stream] = "there is no inventory yet"
        return
    report.compared.append(result)
    for kind in refused:
        report.not_compared[f"{kind} of {poller.stream}"] = "the Admin API does not list them to this key"


def _within(window: Range, run: Range, documents: Sequence[Prepared]) -> Documents:
    """The part of a run that lies in the window."""
    part = Range(max(run.start, window.start), min(run.end, window.end))
    if part == run:
        return run, documents
    return part, [document for document in documents if _starts_in(part, document)]


def _starts_in(time_range: Range, document: Prepared) -> bool:
    return time_range.start <= datetime.fromisoformat(str(document.source["@timestamp"])) < time_range.end


def _streams(organization: Organization) -> Iterator[str]:
    """Whose contents to look at: every stream of the namespace, or those of the pollers that were named."""
    if organization.everything:
        yield from (stream.name(organization.config.namespace) for stream in STREAMS)
    else:
        yield from (poller.stream for poller in organization.pollers)


def _look_for_others(
    es: Client,
    organization: Organization,
    bounds: Bounds,
    now: datetime,
    shared_with: Collection[str],
    report: Report,
) -> None:
    own = organization.inventory.names(now).organization_id
    for stream in _streams(organization):
        other = contents(es, stream, own, bounds.since, bounds.until)
        if organization.label:  # those of the same configuration are no others
            strangers = tuple(share for share in other.organizations if share.name not in shared_with)
            other = replace(other, organizations=strangers)
        if other.foreign or other.organizations:
            report.others[stream] = other
        if strays := tuple(share for share in other.organizations if share.name not in shared_with):
            report.strays[stream] = strays
