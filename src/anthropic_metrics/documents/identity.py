"""Who a document is (`_id`) and what it says (`event.hash`)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from pydantic_core import from_json, to_json

from anthropic_metrics.documents.base import Document
from anthropic_metrics.kernel.digests import Digest, hex_digest
from anthropic_metrics.redaction import redact


class Prepared(NamedTuple):
    """A document ready to be compared and written: its `_id`, its `event.hash` and its source as JSON.

    JSON, because thousands of them wait in memory to be written: as objects each takes six times as much.
    """

    id: str
    hash: str
    body: bytes

    @property
    def source(self) -> dict[str, Any]:
        """The source as an object, a fresh one each time."""
        source: dict[str, Any] = from_json(self.body)
        return source


class Identities:
    """The ids of one bucket's documents, all of a stream and an organization."""

    __slots__ = ("_digest",)

    def __init__(self, organization: str, dataset: str, start: datetime) -> None:
        shared = to_json([organization, dataset, start.isoformat()])[:-1]
        self._digest = Digest(shared)

    def of(self, named: bytes, ordinal: int = 0) -> str:
        """The id for dimensions as `named` writes them."""
        return self._digest.with_more(b"%b,%d]" % (named, ordinal))


def named(dimensions: Mapping[str, str | None]) -> bytes:
    """Dimensions as a part of what is digested to an id."""
    return b"," + to_json(sorted(dimensions.items()))


def document_id(
    organization: str, dataset: str, start: datetime, dimensions: Mapping[str, str | None], ordinal: int = 0
) -> str:
    """Digest of what never changes about a row: whose, which report, which bucket, which dimensions.

    Numbers and money are no part of it, so a revision finds the document it revises. `ordinal` tells rows
    apart that one bucket gives twice for the same dimensions.
    """
    return Identities(organization, dataset, start).of(named(dimensions), ordinal)


def prepare(document_id: str, document: Document) -> Prepared:
    """The document's source with its `event.hash`.

    The hash leaves out when it was read and by which version of the agent: neither changes what it says.
    No document holds a secret: a text that a server has put one into is redacted before it is hashed.
    It reads the fields in their model's order: changing that order replaces every document once.
    `documents.writing` makes the same of values that were checked before, without the model.
    """
    source = redact.scrub_all(document.model_dump(mode="json", by_alias=True, exclude_none=True))
    event = source["event"]
    said = {name: value for name, value in source.items() if name != "agent"}
    said["event"] = {name: value for name, value in event.items() if name != "created"}
    event["hash"] = hex_digest(to_json(said))
    return Prepared(document_id, event["hash"], to_json(source))
