"""The rate-limit poller: a snapshot of every limit group, organization and workspaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import structlog
from elasticsearch import Elasticsearch

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import Problems, RateLimitGroup
from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.documents.rate_limit import KNOWN_LIMITS
from anthropic_metrics.elastic.lookup import refresh
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.errors import AuthError, BadRequest, BrokenContract
from anthropic_metrics.kernel.datasets import RATE_LIMIT, stream_name
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ranges import Range, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.limits.build import rate_limit_documents
from anthropic_metrics.limits.changes import limit_changes
from anthropic_metrics.limits.snapshots import Scope, Snapshots

log = structlog.get_logger(__name__)

# Workspaces read at one poll. With more of them each poll reads its share in turn, so that five hundred
# workspaces cost 20 requests a poll and none waits longer than 25 polls.
WORKSPACES_PER_POLL = 20


@dataclass(frozen=True, slots=True)
class _Read:
    """The documents of one scope. `clean`: every limit of it could be read."""

    scope: Scope
    documents: list[Prepared]
    clean: bool


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
        read = list(self._read(tally, every_workspace))
        documents = [document for each in read for document in each.documents]
        # A limit that could not be read has not been removed.
        record(self._changes(es, {each.scope: each.documents for each in read if each.clean}, slot, now))
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
        self, es: Elasticsearch, by_scope: Mapping[Scope, list[Prepared]], slot: datetime, now: datetime
    ) -> list[Prepared]:
        refresh(es, self.stream)
        snapshots = Snapshots(es, self.stream, self._inventory.names(now).organization_id)
        changes: list[Prepared] = []
        for scope, (at, rows) in snapshots.before(slot, by_scope.keys()).items():
            changes += limit_changes(rows, at, by_scope[scope], now)
        if changes:
            log.info("limits_changed", count=len(changes))
        return changes

    def documents(self, tally: Tally, *, every_workspace: bool = True) -> Iterator[Prepared]:
        """The documents of the current slot; a workspace whose limits are refused costs only its own."""
        for read in self._read(tally, every_workspace):
            yield from read.documents

    def _read(self, tally: Tally, every_workspace: bool) -> Iterator[_Read]:
        now = self._clock()
        slot = floor(now, self._settings.interval)
        frame = Frame(RATE_LIMIT, self._namespace, Range(slot, slot), self._inventory.names(now), now)
        for scope, read in self._scopes(frame.names, now, every_workspace):
            problems = Problems()
            groups: list[RateLimitGroup] = []
            try:
                groups = read(self._client, problems=problems)
            except (AuthError, BadRequest, BrokenContract) as error:
                if scope is None or (isinstance(error, AuthError) and error.status == 401):
                    raise
                problems.refuse(f"rate_limits of {scope}", error.message)
            types = {limit.type for group in groups for limit in group.limits}
            problems.unknown(f"limits.{kind}" for kind in sorted(types - KNOWN_LIMITS))
            tally.rows += len(groups)
            tally.problems(problems)
            yield _Read(scope, rate_limit_documents(frame, groups), clean=not problems.total)
        tally.problems(self._inventory.problems)

    def _scopes(
        self, names: Names, now: datetime, every_workspace: bool
    ) -> Iterator[tuple[Scope, Callable[..., list[RateLimitGroup]]]]:
        """The organization and the workspaces whose turn it is, each with how its limits are read."""
        yield None, endpoints.organization_rate_limits
        if self._settings.workspaces:
            active = sorted(id_ for id_, known in names.workspaces.items() if not known.archived)
            turn = active if every_workspace else share(active, now, self._settings.interval)
            for workspace in turn:
                yield workspace, partial(endpoints.workspace_rate_limits, workspace_id=workspace)


def share(workspaces: list[str], now: datetime, interval: timedelta) -> list[str]:
    """The workspaces whose turn it is: the clock decides, so that no memory of the last turn is needed."""
    turns = -(-len(workspaces) // WORKSPACES_PER_POLL)
    if turns <= 1:
        return workspaces
    turn = int(now.timestamp() // interval.total_seconds()) % turns
    return workspaces[turn::turns]
