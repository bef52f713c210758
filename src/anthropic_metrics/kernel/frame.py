"""What the documents of one bucket have in common: whose they are, where they go, and their identities."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from operator import attrgetter
from typing import Any, Literal

from anthropic_metrics.documents.base import DataStream, Document, Event, Organization
from anthropic_metrics.documents.identity import Identities, Prepared, named
from anthropic_metrics.documents.writing import Values, Writer, kept_envelope
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ranges import Range, Width

# What a null in a grouped field stands for (Admin API reference).
DEFAULT_WORKSPACE = "Default"
CONSOLE = "Console"
MEANING_OF_NULL = {"workspace_id": DEFAULT_WORKSPACE, "api_key_id": CONSOLE}
# "Data usually appear within 5 minutes of a request's end."
DOCUMENTED_LAG = timedelta(minutes=5)

Dimensions = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Frame:
    """One bucket of one data stream, as read at `now`: what a builder needs besides the rows.

    `width` is the bucket's width as the API spells it, empty for streams without one; `group_by` are the
    dimensions that were asked for.
    """

    dataset: str
    namespace: str
    bucket: Range
    names: Names
    now: datetime
    width: Width | Literal[""] = ""
    group_by: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether the bucket ended at least the documented lag before it was read."""
        return self.now >= self.bucket.end + DOCUMENTED_LAG

    def writer(self, model: type[Document], category: str = "api") -> Writer:
        """What writes the bucket's documents; the part that they share is kept with the names."""
        key = "envelope", self.dataset, self.namespace, category
        envelope = kept_envelope(self.names.written, key, partial(self.envelope, category))
        return Writer(model, envelope, self.bucket.start, self.now)

    def envelope(self, category: str = "api") -> dict[str, Any]:
        """The part that every document of the bucket shares, validated once."""
        return {
            "timestamp": self.bucket.start,
            "data_stream": DataStream(dataset=self.dataset, namespace=self.namespace),
            "event": Event(dataset=self.dataset, category=[category], created=self.now),
            "organization": Organization(id=self.names.organization_id, name=self.names.organization_name),
        }

    def identity(self, dimensions: Dimensions) -> str:
        """The `_id` of a document of this bucket."""
        return self.identities.of(named(dimensions))

    @property
    def identities(self) -> Identities:
        """The ids of the bucket's documents."""
        return Identities(self.names.organization_id, self.dataset, self.bucket.start)

    def prepared(
        self,
        model: type[Document],
        built: Iterable[tuple[Dimensions, Values, Values]],
        *,
        category: str = "api",
    ) -> list[Prepared]:
        """The bucket's documents of `model`, each from its dimensions, its `anthropic` and its `gen_ai`."""
        writer, identities = self.writer(model, category), self.identities

        def written() -> Iterator[tuple[bytes, Prepared]]:
            for dimensions, anthropic, gen_ai in built:
                name = named(dimensions)
                yield name, writer.write(identities.of(name), anthropic=anthropic, gen_ai=gen_ai)

        return told_apart(identities, written())


def told_apart(identities: Identities, documents: Iterable[tuple[bytes, Prepared]]) -> list[Prepared]:
    """The documents, each given with its dimensions as `named` writes them, without two of one id.

    Dimensions that come twice are told apart by an ordinal. Twins are ordered by what they say, so that the
    order of rows in an answer does not matter.
    """
    first: dict[str, Prepared] = {}
    twins: dict[str, tuple[bytes, list[Prepared]]] = {}
    for name, document in documents:
        if document.id in first:
            twins.setdefault(document.id, (name, [first[document.id]]))[1].append(document)
        else:
            first[document.id] = document
    if not twins:
        return list(first.values())
    prepared = []
    for id_, document in first.items():
        name, alike = twins.get(id_, (b"", [document]))
        for ordinal, twin in enumerate(sorted(alike, key=attrgetter("hash"))):
            prepared.append(twin._replace(id=identities.of(name, ordinal)) if ordinal else twin)
    return prepared


def shared_fields(dimensions: Dimensions, names: Names) -> dict[str, Any]:
    """The `anthropic.*` fields that every stream has, from whichever of them were grouped by."""
    shared: dict[str, Any] = {"model": dimensions.get("model")}
    shared |= workspace_fields(dimensions.get("workspace_id"), names)
    if key := dimensions.get("api_key_id"):
        shared["api_key"] = {"id": key, "name": CONSOLE if key == CONSOLE else names.api_keys.get(key)}
    return shared


def paid_fields(dimensions: Dimensions, names: Names) -> dict[str, Any]:
    """The shared fields of what somebody pays for: with its team, where teams are configured."""
    team = names.team_of(dimensions)
    return shared_fields(dimensions, names) | ({"team": team} if team else {})


def workspace_fields(workspace_id: str | None, names: Names) -> dict[str, Any]:
    """The shared fields of a workspace; none where no workspace was asked for."""
    if workspace_id is None:
        return {}
    if workspace_id == DEFAULT_WORKSPACE:
        return {"workspace": {"id": DEFAULT_WORKSPACE, "name": DEFAULT_WORKSPACE}}
    named = names.workspaces.get(workspace_id)
    if named is None:
        return {"workspace": {"id": workspace_id}}
    return {"workspace": {"id": workspace_id, "name": named.name, "tags": dict(named.tags) or None}}
