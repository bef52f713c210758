"""The rate-limit poller: a snapshot of every limit group, organization and workspaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial

import structlog

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import RateLimitGroup
from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.documents.rate_limit import KNOWN_LIMITS
from anthropic_metrics.errors import AuthError, BadRequest, BrokenContract, RetryLater
from anthropic_metrics.kernel.datasets import HEADROOM, RATE_LIMIT, stream_name
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ports import NO_TERMS, Documents, Progress, Sink
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.questions import Questions, Scope
from anthropic_metrics.kernel.ranges import Range, floor
from anthropic_metrics.kernel.snapshot import SnapshotPoller
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.limits.build import rate_limit_documents
from anthropic_metrics.limits.changes import limit_changes
from anthropic_metrics.limits.groups import LimitSnapshot
from anthropic_metrics.limits.rounds import WORKSPACES_PER_POLL, share

log = structlog.get_logger(__name__)

# How long a workspace that came near a limit is read at every poll.
NEAR_FOR = timedelta(hours=1)


class RateLimitPoller(SnapshotPoller):
    """Snapshots of the limits as they stand; one of the past cannot be taken again."""

    def __init__(
        self, config: Config, client: AdminClient, inventory: Inventory, *, clock: Callable[[], datetime]
    ) -> None:
        self._settings = config.rate_limits
        self._namespace = config.namespace
        self.stream = stream_name(RATE_LIMIT, config.namespace)
        self.only, self.dataset, self.terms = "rate_limits", RATE_LIMIT, NO_TERMS
        self._client = client
        self._inventory = inventory
        self._clock = clock
        # Of a workspace without a snapshot the limits are unknown: a process begins with all of them.
        self._polled: datetime | None = None
        self._left: list[str] = []  # workspaces whose turn the last poll did not come to

    def live(self, sink: Sink) -> list[Job]:
        """A snapshot of the organization's limits, and of the workspaces whose turn it is; first of all."""
        return [self._job(sink, every_workspace=False)]

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        """A snapshot of everything."""
        return [self._job(sink, progress, every_workspace=True)]

    def range(self, wanted: Range | None = None) -> Range | None:
        """The present slot; None for an older range."""
        return self._slot(self._clock()) if wanted is None else None

    def _job(self, sink: Sink, progress: Progress | None = None, *, every_workspace: bool) -> Job:
        def run(tally: Tally) -> Range:
            self.keep(sink, tally, every_workspace=every_workspace)
            slot = self._slot(self._clock())
            if progress:
                progress(slot)
            return slot

        return Job(RATE_LIMIT, self.only, self.stream, self._settings.interval, run)

    def _slot(self, now: datetime) -> Range:
        start = floor(now, self._settings.interval)
        return Range(start, start + self._settings.interval)

    def keep(self, sink: Sink, tally: Tally, *, every_workspace: bool = False) -> None:
        """Write one document per group for the current slot of the interval.

        The changes since each scope's previous snapshot are recorded before the new one is written.
        """
        chosen: list[str] = []

        def choose(active: list[str], frame: Frame) -> list[str]:
            last = None if every_workspace else self._polled
            chosen[:] = active if last is None else self._turn(sink.ask, active, frame, last)
            return chosen

        frame, snapshots = self.read(tally, choose)
        now, slot = frame.now, frame.bucket.start
        # A limit that could not be read has not been removed.
        sink.record(
            self._changes(
                sink.ask, {snapshot.scope: snapshot for snapshot in snapshots if snapshot.clean}, frame
            )
        )
        documents = [
            document for snapshot in snapshots for document in rate_limit_documents(frame, snapshot.replies)
        ]
        outcome = sink.store.reconcile(
            self.stream,
            Range(slot, slot + timedelta(milliseconds=1)),
            documents,
            organization_id=frame.names.organization_id,
            now=now,
            confirm_after=self._settings.interval,
            # A group that is gone was still there when the slot's first snapshot was taken.
            deletes=False,
        )
        tally.add(outcome)
        tally.windows += 1
        tally.saw(slot)
        read = {snapshot.scope for snapshot in snapshots}
        left = [workspace for workspace in chosen if workspace not in read]
        # The one that ended the poll comes last, or it would keep the others waiting again.
        self._polled, self._left = now, left[1:] + left[:1]

    def _changes(
        self, ask: Questions, snapshots: Mapping[Scope, LimitSnapshot], frame: Frame
    ) -> list[Prepared]:
        ask.refresh(self.stream)
        history = ask.limit_history(self.stream, frame.names.organization_id)
        changes: list[Prepared] = []
        for scope, (at, rows) in history.before(frame.bucket.start, snapshots.keys()).items():
            changes += limit_changes(rows, at, snapshots[scope], frame)
        if changes:
            log.info("limits_changed", count=len(changes))
        return changes

    def documents(self, wanted: Range, tally: Tally) -> Iterator[Documents]:
        """Those of the current slot; a workspace whose limits are refused costs only its own."""
        frame, snapshots = self.read(tally)
        for snapshot in snapshots:
            yield frame.bucket, rate_limit_documents(frame, snapshot.replies)

    def read(
        self, tally: Tally, chosen: Callable[[list[str], Frame], list[str]] | None = None
    ) -> tuple[Frame, list[LimitSnapshot]]:
        """The limits as the API has them now, scope by scope, and the frame of their documents.

        `chosen` says which of the active workspaces are read; None: all of them.
        """
        now = self._clock()
        slot = floor(now, self._settings.interval)
        frame = Frame(RATE_LIMIT, self._namespace, Range(slot, slot), self._inventory.names(now), now)
        snapshots = []
        for scope, read in self._scopes(frame, chosen):
            problems = Problems()
            groups: list[RateLimitGroup] = []
            try:
                groups = read(self._client, problems=problems)
            except (AuthError, BadRequest, BrokenContract) as error:
                if scope is None or (isinstance(error, AuthError) and error.status == 401):
                    raise
                problems.refuse(f"rate_limits of {scope}", error.message)
            except RetryLater as error:
                if scope is None:
                    raise
                tally.failures.append(str(error))  # what was read until then is kept all the same
                break
            types = {limit.type for group in groups for limit in group.limits}
            problems.unknown(f"limits.{kind}" for kind in sorted(types - KNOWN_LIMITS))
            tally.rows += len(groups)
            tally.problems(problems)
            snapshots.append(LimitSnapshot(scope, groups, clean=not problems.total))
        tally.problems(self._inventory.problems)
        return frame, snapshots

    def _scopes(
        self, frame: Frame, chosen: Callable[[list[str], Frame], list[str]] | None
    ) -> Iterator[tuple[Scope, Callable[..., list[RateLimitGroup]]]]:
        """The organization and the workspaces, each with how its limits are read."""
        yield None, endpoints.organization_rate_limits
        if self._settings.workspaces:
            named = frame.names.workspaces.items()
            active = sorted(id_ for id_, known in named if not known.archived)
            for workspace in chosen(active, frame) if chosen else active:
                yield workspace, partial(endpoints.workspace_rate_limits, workspace_id=workspace)

    def _turn(self, ask: Questions, active: list[str], frame: Frame, last: datetime) -> list[str]:
        """Those whose turn it is, those near a limit, where a changed one matters soonest, and those left."""
        settings = self._settings
        turn = share(active, last, frame.now, settings.interval, settings.workspace_interval)
        near = near_a_limit(ask, frame)[:WORKSPACES_PER_POLL]
        more = [workspace for workspace in (*near, *self._left) if workspace in active]
        return list(dict.fromkeys((*turn, *more)))


def near_a_limit(ask: Questions, frame: Frame) -> list[str]:
    """The workspaces with a minute above 80 % of a limit in the last hour; those with most of them first."""
    scope, above = "anthropic.headroom.workspace_id", "anthropic.headroom.minutes_above_80"
    stream = stream_name(HEADROOM, frame.namespace)
    last_hour = Range(frame.now - NEAR_FOR, frame.now)
    groups = ask.groups(stream, frame.names.organization_id, last_hour, [scope], [above])
    minutes = {row[scope]: sums[above] for row, sums in groups if sums[above] and row[scope]}
    return sorted(minutes, key=lambda workspace: (-minutes[workspace], workspace))
