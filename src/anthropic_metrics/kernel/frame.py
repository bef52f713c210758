"""What the documents of one bucket have in common: whose they are, where they go, and their identities."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from anthropic_metrics.documents.base import DataStream, Document, Event, Organization
from anthropic_metrics.documents.identity import Prepared, document_id
from anthropic_metrics.documents.writing import Values, Writer
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

    def envelope(self, category: str = "api") -> dict[str, Any]:
        """The part that every document of the bucket shares, validated once."""
        return {
            "timestamp": self.bucket.start,
            "data_stream": DataStream(dataset=self.dataset, namespace=self.namespace),
            "event": Event(dataset=self.dataset, category=[category], created=self.now),
            "organization": Organization(id=self.names.organization_id, name=self.names.organization_name),
        }

    def identity(self, dimensions: Dimensions, ordinal: int = 0) -> str:
        """The `_id` of a document of this bucket."""
        organization = self.names.organization_id
        return document_id(organization, self.dataset, self.bucket.start, dimensions, ordinal)

    def prepared(
        self,
        model: type[Document],
        built: Iterable[tuple[Dimensions, Values, Values]],
        *,
        category: str = "api",
    ) -> list[Prepared]:
        """The bucket's documents of `model`, each from its dimensions, its `anthropic` and its `gen_ai`.

        Dimensions that come twice are told apart by an ordinal. Twins are ordered by what they say, so that
        the order of rows in an answer does not matter.
        """
        writer = Writer(model, self.envelope(category))
        alike: dict[str, list[tuple[Dimensions, Prepared]]] = {}
        for dimensions, anthropic, gen_ai in built:
            identity = self.identity(dimensions)
            document = writer.write(identity, anthropic=anthropic, gen_ai=gen_ai)
            alike.setdefault(identity, []).append((dimensions, document))
        prepared = []
        for twins in alike.values():
            if len(twins) > 1:
                twins.sort(key=lambda twin: twin[1].hash)
            prepared.append(twins[0][1])
            for ordinal, (dimensions, twin) in enumerate(twins[1:], start=1):
                prepared.append(replace(twin, id=self.identity(dimensions, ordinal)))
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
