"""The inventory poller: every resource once a UTC day, kept right until the day is over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.inventory.build import Uses, inventory_documents
from anthropic_metrics.inventory.changes import changes
from anthropic_metrics.inventory.lists import Lists
from anthropic_metrics.inventory.resources import Kind, Listed, Resource, gone, of_organization
from anthropic_metrics.inventory.uses import read_uses, used_datasets
from anthropic_metrics.kernel.datasets import INVENTORY, stream_name
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import NO_TERMS, Documents, Progress, Sink
from anthropic_metrics.kernel.questions import Questions, Row
from anthropic_metrics.kernel.ranges import DAY, Range, floor
from anthropic_metrics.kernel.snapshot import SnapshotPoller
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.logs import get_logger

log = get_logger(__name__)

Before = dict[tuple[str, str], Row]
_BY = ("anthropic.inventory.type", "anthropic.inventory.id")


class InventoryPoller(SnapshotPoller):
    """A `kernel.ports.Poller` of the inventory stream. How things were on an earlier day cannot be asked."""

    def __init__(
        self, config: Config, client: AdminClient, inventory: Inventory, *, clock: Callable[[], datetime]
    ) -> None:
        self._config = config
        self._settings = config.inventory
        self.stream = stream_name(INVENTORY, config.namespace)
        self.only, self.dataset, self.terms = "inventory", INVENTORY, NO_TERMS
        self._client = client
        self._inventory = inventory
        self._clock = clock
        self._refused: set[Kind] = set()

    def live(self, sink: Sink) -> list[Job]:
        """The present day, for the first time when there is use to join to it."""
        return [replace(self._job(sink), needs=used_datasets(self._config))]

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        """The present day."""
        return [self._job(sink, progress)]

    def range(self, wanted: Range | None = None) -> Range | None:
        """The present day; None for an older range."""
        return _today(self._clock()) if wanted is None else None

    def documents(self, wanted: Range, tally: Tally) -> Iterator[Documents]:
        """Those of the present day, without what is joined from our own streams."""
        frame, lists = self.read(tally)
        listed = (resource for one in lists.listed.values() for resource in one.resources)
        yield frame.bucket, inventory_documents(frame, listed, Uses())

    def _job(self, sink: Sink, progress: Progress | None = None) -> Job:
        def run(tally: Tally) -> Range:
            self.keep(sink, tally)
            day = _today(self._clock())
            if progress:
                progress(day)
            return day

        return Job(INVENTORY, self.only, self.stream, self._settings.interval, run)

    def keep(self, sink: Sink, tally: Tally) -> None:
        """Make the present day's documents right for each list that can be read.

        The changes since each resource's latest document are recorded before the new one is written.
        """
        organization = self._inventory.names(self._clock()).organization_id
        sink.ask.refresh(self.stream)
        before = self.latest(sink.ask, organization)
        frame, lists = self.read(tally, default_of(before))
        self._report_refused(lists, _own(before, organization), tally)
        uses = read_uses(self._config, sink.ask, frame)
        resources = self._resources(frame, lists, before)
        documents = inventory_documents(frame, resources, uses)
        sink.record(self._changes(frame, resources, documents, before))
        tally.add(
            sink.store.reconcile(
                self.stream,
                Range(frame.bucket.start, frame.bucket.start + timedelta(milliseconds=1)),
                documents,
                organization_id=frame.names.organization_id,
                now=frame.now,
                confirm_after=self._settings.interval,
                # What a list lacks is told by the document itself: see `resources.gone`.
                deletes=False,
            )
        )
        tally.windows += 1
        tally.saw(frame.bucket.start)

    def _report_refused(self, lists: Lists, own: dict[str, Any], tally: Tally) -> None:
        """Warn once of each list that is refused: not again where an earlier process recorded it."""
        recorded = set(own.get("refused_lists") or ())
        for kind in lists.refused.keys() - self._refused:
            level = logging.DEBUG if kind.value in recorded else tally.noted
            log.log(level, "inventory_list_refused", kind=kind.value, reason=lists.refused[kind])
        self._refused = set(lists.refused)

    def latest(self, ask: Questions, organization: str) -> Before:
        """The latest document of each resource, by type and id."""
        rows = ask.latest(self.stream, organization, _BY)
        return {(key[_BY[0]], key[_BY[1]]): source for key, source in rows}

    def _resources(self, frame: Frame, lists: Lists, before: Before) -> list[Resource]:
        """What the lists have, what they no longer have, and the organization with the lists' names."""
        latest = {key: source["anthropic"] for key, source in before.items()}
        resources = [resource for one in lists.listed.values() for resource in one.resources]
        patience = self._settings.interval.total_seconds()
        resources += [
            resource for one in lists.listed.values() for resource in gone(one, latest, frame.now, patience)
        ]
        own = _own(before, frame.names.organization_id)
        known = set(own.get("lists") or ()) | {kind.value for kind in lists.listed}
        known.discard(Kind.organization.value)
        return [
            resource.having(lists=sorted(known), refused_lists=sorted(lists.refused) or None)
            if resource.kind is Kind.organization
            else resource
            for resource in resources
        ]

    def _changes(
        self, frame: Frame, resources: Sequence[Resource], documents: Sequence[Prepared], before: Before
    ) -> list[Prepared]:
        """The first time that a list is read nothing in it is new."""
        read_before = set(_own(before, frame.names.organization_id).get("lists") or ())
        by_key = {resource.key: resource for resource in reversed(resources)}
        records: list[Prepared] = []
        for document in documents:
            fields = document.source["anthropic"]["inventory"]
            resource = by_key[(fields["type"], fields["id"])]
            source = before.get(resource.key)
            if source is not None or resource.kind in read_before:
                before_at = source["event"]["created"] if source else None
                records += changes(source, before_at, resource, document, frame)
        return records

    def read(self, tally: Tally, default: str | None = None) -> tuple[Frame, Lists]:
        """Every list that the key may read, and the frame of their documents.

        `default` is the default workspace's id as known before.
        """
        now = self._clock()
        names = self._inventory.names(now)
        lists = Lists(self._client, tally, default)
        lists.read(names_of_users=self._settings.people == "name")
        own = of_organization(names.organization_id, names.organization_name)
        lists.listed[Kind.organization] = Listed(Kind.organization, [own])
        fresh = Names.of(
            names.organization_id,
            names.organization_name,
            [workspace for workspace in lists.workspaces if workspace.id != lists.default],
            lists.api_keys,
            earlier_workspaces=names.workspaces,
            earlier_api_keys=names.api_keys,
        ).with_teams(names.teams)
        return Frame(INVENTORY, self._config.namespace, _today(now), fresh, now), lists


def default_of(before: Before) -> str | None:
    """The default workspace by the latest documents."""
    inventories = (source["anthropic"]["inventory"] for source in before.values())
    return next((fields["id"] for fields in inventories if fields.get("is_default")), None)


def _own(before: Before, organization: str) -> dict[str, Any]:
    """The inventory's fields of the organization's latest document; empty before its first."""
    source = before.get((Kind.organization, organization))
    fields: dict[str, Any] = {} if source is None else source["anthropic"]["inventory"]
    return fields


def _today(now: datetime) -> Range:
    start = floor(now, DAY)
    return Range(start, start + DAY)
