"""The rate-limit poller: a snapshot of every limit group, organization and workspaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta

import structlog
from elasticsearch import Elasticsearch

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import Problems, RateLimitGroup
from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.lookup import refresh
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.kernel.datasets import RATE_LIMIT, stream_name
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.names import Inventory
from anthropic_metrics.kernel.ranges import Range, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.limits.build import rate_limit_documents
from anthropic_metrics.limits.changes import limit_changes
from anthropic_metrics.limits.snapshots import Scope, Snapshots

log = structlog.get_logger(__name__)

# Workspaces read at one poll. With more of them each poll reads its share in turn, so that five hundred
# workspaces cost 20 requests a poll and none waits longer than 25 polls.
WORKSPACES_PER_POLL = 20


class RateLimitPoller:
    """Snapshots of the limits as they stand."""

    def __init__(
        self, config: Config, client: AdminClient, inventory: Inventory, *, clock: Callable[[], datetime]
    ) -> None:
        self._settings = config.rate_limits
        self._namespace = config.namespace
        self.stream = stream_name(RATE_LIMIT, config.namespace)
        self._client = client
        self._inventory = inventory
        self._clock = clock

    def keep(
        self,
        es: Elasticsearch,
        streams: Streams,
        tally: Tally,
        *,
        record: Callable[[Sequence[Prepared]], None],
        every_workspace: bool = False,
    ) -> None:
        """Write one document per group for the current slot of the interval.

        `record` gets the changes since each scope's previous snapshot, before the new one is written.
        """
        now = self._clock()
        slot = floor(now, self._settings.interval)
        documents = list(self.documents(tally, every_workspace=every_workspace))
        if not tally.bad_rows:  # a limit that could not be read has not been removed
            record(self._changes(es, documents, slot, now))
        outcome = streams.reconcile(
            self.stream,
            Range(slot, slot + timedelta(milliseconds=1)),
            documents,
            organization_id=self._inventory.names(now).organization_id,
            now=now,
            confirm_after=self._settings.interval,
            # A group that is gone was still there when the slot's first snapshot was taken.
            deletes=False,
        )
        tally.add(outcome)
        tally.windows += 1
        tally.saw(slot)

    def _changes(
        self, es: Elasticsearch, documents: Sequence[Prepared], slot: datetime, now: datetime
    ) -> list[Prepared]:
        by_scope: dict[Scope, list[Prepared]] = {}
        for document in documents:
            by_scope.setdefault(document.source["anthropic"]["rate_limit"].get("workspace_id"), []).append(
                document
            )
        refresh(es, self.stream)
        snapshots = Snapshots(es, self.stream, self._inventory.names(now).organization_id)
        changes: list[Prepared] = []
        for scope, (at, rows) in snapshots.before(slot, by_scope.keys()).items():
            changes += limit_changes(rows, at, by_scope[scope], now)
        if changes:
            log.info("limits_changed", count=len(changes))
        return changes

    def documents(self, tally: Tally, *, every_workspace: bool = True) -> Iterator[Prepared]:
        """The documents of the current slot."""
        now = self._clock()
        slot = floor(now, self._settings.interval)
        names = self._inventory.names(now)
        for groups in self._snapshots(now, tally, every_workspace):
            tally.rows += len(groups)
            frame = Frame(RATE_LIMIT, self._namespace, Range(slot, slot), names, now)
            yield from rate_limit_documents(frame, groups)

    def _snapshots(
        self, now: datetime, tally: Tally, every_workspace: bool
    ) -> Iterator[list[RateLimitGroup]]:
        problems = Problems()
        yield endpoints.organization_rate_limits(self._client, problems=problems)
        if self._settings.workspaces:
            named = self._inventory.names(now).workspaces
            active = sorted(workspace for workspace, known in named.items() if not known.archived)
            turn = active if every_workspace else share(active, now, self._settings.interval)
            for workspace in turn:
                yield endpoints.workspace_rate_limits(self._client, workspace, problems=problems)
        tally.problems(problems)


def share(workspaces: list[str], now: datetime, interval: timedelta) -> list[str]:
    """The workspaces whose turn it is: the clock decides, so that no memory of the last turn is needed."""
    turns = -(-len(workspaces) // WORKSPACES_PER_POLL)
    if turns <= 1:
        return workspaces
    turn = int(now.timestamp() // interval.total_seconds()) % turns
    return workspaces[turn::turns]
