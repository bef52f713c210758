"""Keeps the headroom stream true: windows whose usage or limits changed are computed anew and compared.

All it reads lies in Elasticsearch: use by the minute, snapshots of the limits, the agent's own polls. So late
and revised usage, a killed agent and two agents all end in the same documents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from elasticsearch import Elasticsearch

from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.lookup import refresh, refresh_if_allowed
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.errors import BadRequest
from anthropic_metrics.headroom.build import headroom_documents, moment
from anthropic_metrics.headroom.due import OVERLAP, Due, spans
from anthropic_metrics.headroom.minutes import Minutes
from anthropic_metrics.headroom.snapshots import read_limits
from anthropic_metrics.headroom.windows import WINDOW, windows
from anthropic_metrics.kernel.datasets import AGENT, HEADROOM, RATE_LIMIT, USAGE_1M, stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.limits.snapshots import Scope, Snapshots

# Everything is compared once a day, whether or not it seems to have changed.
EVERYTHING_EVERY = timedelta(days=1)
NO_LIMITS = "There is no snapshot of the organization's rate limits yet: headroom waits for the first one."


@dataclass(frozen=True)
class _Seen:
    """What the last pass saw. A cache: losing it costs one pass over everything."""

    at: datetime
    usage_read_at: datetime | None
    scopes: frozenset[Scope]
    everything_at: datetime


class HeadroomPoller:
    """The headroom stream of one organization."""

    def __init__(self, config: Config, inventory: Inventory, *, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._inventory = inventory
        self._clock = clock
        self.stream = stream_name(HEADROOM, config.namespace)
        self.interval = config.usage.interval
        self._seen: _Seen | None = None

    @staticmethod
    def enabled(config: Config) -> bool:
        """Whether there are minutes by model, and limits to hold them against."""
        usage = config.usage
        return (
            usage.enabled
            and "1m" in usage.granularities
            and "model" in usage.group_by
            and config.rate_limits.enabled
        )

    def keep(self, whole: Range, es: Elasticsearch, streams: Streams, tally: Tally) -> None:
        """Make the stream right for what changed within `whole` since the last call; at times for all of it.

        Raises what Elasticsearch raises; spans finished by then stay finished, and are due again.
        """
        now = self._clock()
        due = self._questions(es, now)
        usage_read_at, scopes = due.usage_read_at(), due.snapshots.scopes()
        seen = self._seen
        # What was computed without a workspace's own limits is not what stands there with them. After a clock
        # that was set back, nobody knows what has been written since the last look.
        if seen and seen.at <= now < seen.everything_at + EVERYTHING_EVERY and scopes == seen.scopes:
            starts = due.changed(whole, seen.at - OVERLAP, seen.usage_read_at, usage_read_at)
            everything_at = seen.everything_at
        else:
            starts, everything_at = due.held(whole), now
        self._compute(starts, due, streams, tally, now, usage_read_at)
        if not tally.failures:
            self._seen = _Seen(now, usage_read_at, scopes, everything_at)

    def keep_all(self, whole: Range, es: Elasticsearch, streams: Streams, tally: Tally) -> None:
        """Make the stream right for all of `whole`."""
        now = self._clock()
        due = self._questions(es, now)
        self._compute(due.held(whole), due, streams, tally, now, due.usage_read_at())

    def documents(self, whole: Range, es: Elasticsearch) -> Iterator[Prepared]:
        """The documents that should exist for `whole`, computed afresh; nothing is written.

        Raises BadRequest while there is no snapshot of the limits.
        """
        now = self._clock()
        due = self._questions(es, now, refresh_if_allowed)
        names, read_at = self._inventory.names(now), due.usage_read_at()
        for span in spans(due.held(whole)):
            limits = read_limits(due.snapshots, span.start, span.end)
            if limits is None:
                raise BadRequest(NO_LIMITS)
            found = windows(due.minutes.uses(span.start, span.end), limits, due.minutes.asked)
            yield from headroom_documents(found, names, self._config.namespace, now, read_at)

    def _questions(
        self, es: Elasticsearch, now: datetime, refresh: Callable[[Elasticsearch, str], bool] = refresh
    ) -> Due:
        """All that was acknowledged is visible to them."""
        names = {
            dataset: stream_name(dataset, self._config.namespace)
            for dataset in (USAGE_1M, RATE_LIMIT, AGENT, HEADROOM)
        }
        for stream in names.values():
            refresh(es, stream)
        organization = self._inventory.names(now).organization_id
        return Due(
            Minutes.of(es, self._config, organization),
            Snapshots(es, names[RATE_LIMIT], organization),
            headroom=names[HEADROOM],
            agent=names[AGENT],
        )

    def _compute(
        self,
        starts: set[int],
        due: Due,
        streams: Streams,
        tally: Tally,
        now: datetime,
        usage_read_at: datetime | None,
    ) -> None:
        """Compute and compare the windows that begin at `starts`, the newest first."""
        names = self._inventory.names(now)
        minutes, workspaces = due.minutes, tuple(self._config.usage.workspace_ids)
        for span in spans(starts):
            limits = read_limits(due.snapshots, span.start, span.end)
            if limits is None:
                tally.failures.append(NO_LIMITS)
                return
            found = windows(minutes.uses(span.start, span.end), limits, minutes.asked)
            documents = headroom_documents(found, names, self._config.namespace, now, usage_read_at)
            outcome = streams.reconcile(
                self.stream,
                span,
                documents,
                organization_id=names.organization_id,
                terms={"anthropic.workspace.id": workspaces} if workspaces else {},
                now=now,
                confirm_after=self.interval,
            )
            tally.add(outcome)
            tally.windows += 1
            tally.rows += len(found)
            if found:
                tally.saw(moment(found[-1].start + WINDOW))
