"""The state of the telemetry destinations, slot by slot, in the agent stream.

Whoever reads figures made of spans should know whether spans arrive. A destination that fails or is disabled
loses them for good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.destinations import Destination, telemetry_destinations
from anthropic_metrics.config import Config
from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import Prepared, document_id, prepare
from anthropic_metrics.errors import AuthError, BadRequest
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Progress, Sink, Terms
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import Range, floor, is_within
from anthropic_metrics.kernel.snapshot import SnapshotPoller
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.logs import get_logger

log = get_logger(__name__)

ACTION = "telemetry"
# An organization without the preview is asked again, in case it joins.
_AFTER_REFUSAL = timedelta(days=1)


class TelemetryPoller(SnapshotPoller):
    """A `kernel.ports.Poller`: one document a destination and slot of the interval.

    With `telemetry.enabled: auto`, an organization without the preview is no failure.
    """

    def __init__(
        self, config: Config, client: AdminClient, inventory: Inventory, *, clock: Callable[[], datetime]
    ) -> None:
        self.only, self.dataset = "telemetry", AGENT
        self.stream = stream_name(AGENT, config.namespace)
        self.terms: Terms = {"event.action": [ACTION]}
        self._settings = config.telemetry
        self._namespace = config.namespace
        self._client = client
        self._inventory = inventory
        self._clock = clock
        self._refused_at: datetime | None = None

    def live(self, sink: Sink) -> list[Job]:
        return [self._job(sink)]

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        return [self._job(sink)]

    def _job(self, sink: Sink) -> Job:
        def run(tally: Tally) -> Range:
            now = self._clock()
            slot = floor(now, self._settings.interval)
            if (listed := self._read(tally, now)) is not None:
                names = self._inventory.names(now)
                tally.add(
                    sink.store.reconcile(
                        self.stream,
                        Range(slot, slot + timedelta(milliseconds=1)),
                        destination_documents(listed, names, self._namespace, slot, now),
                        organization_id=names.organization_id,
                        terms=self.terms,
                        now=now,
                        confirm_after=self._settings.interval,
                        deletes=False,  # it was still there when the slot began
                    )
                )
            # What was known of destinations before a refusal is not known any more.
            tally.delivers = {destination.name: destination.health == "ok" for destination in listed or ()}
            tally.windows += 1
            return Range(slot, slot + self._settings.interval)

        return Job("telemetry", self.only, self.stream, self._settings.interval, run)

    def _read(self, tally: Tally, now: datetime) -> list[Destination] | None:
        """The destinations; None where the organization or the key lacks the preview, under `auto`."""
        if is_within(_AFTER_REFUSAL, self._refused_at, now):
            return None
        problems = Problems()
        try:
            destinations = telemetry_destinations(self._client, problems=problems)
        except (AuthError, BadRequest) as error:
            if self._settings.enabled != "auto" or (isinstance(error, AuthError) and error.status == 401):
                raise
            if self._refused_at is None:
                log.log(tally.aside, "telemetry_destinations_not_readable", reason=error.message)
            self._refused_at = now
            return None
        self._refused_at = None
        tally.rows += len(destinations)
        tally.problems(problems)
        return destinations


def destination_documents(
    destinations: list[Destination], names: Names, namespace: str, slot: datetime, now: datetime
) -> Iterator[Prepared]:
    """One document a destination, at the start of the slot."""
    for destination in destinations:
        last, spaces = destination.delivery_health, destination.workspaces or {}
        state = {
            "destination_id": destination.id,
            "name": destination.name,
            "host": destination.host,
            "health": destination.health,
            "delivers": destination.health == "ok",
            "reason": destination.reason,
            "content_mode": destination.traces.content_mode,
            "workspaces": spaces.get("type"),
            "last_success_at": last.last_success_at,
            "last_error_at": last.last_error_at,
            "last_error": last.last_error,
        }
        document = agent_document(
            ACTION,
            at=slot,
            now=now,
            namespace=namespace,
            organization=names.organization,
            anthropic={"telemetry": state},
            event={"category": ["configuration"]},
        )
        identity = document_id(
            names.organization_id, AGENT, slot, {"action": ACTION, "destination": destination.id}
        )
        yield prepare(identity, document)
