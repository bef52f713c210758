"""Who a document is (`_id`) and what it says (`event.hash`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic_core import from_json, to_json

from anthropic_metrics.documents.base import Document
from anthropic_metrics.kernel.digests import hex_digest
from anthropic_metrics.redaction import redact


@dataclass(frozen=True, slots=True)
class Prepared:
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


def document_id(
    organization: str, dataset: str, start: datetime, dimensions: Mapping[str, str | None], ordinal: int = 0
) -> str:
    """Digest of what never changes about a row: whose, which report, which bucket, which dimensions.

    Numbers and money are no part of it, so a revision finds the document it revises. `ordinal` tells rows
    apart that one bucket gives twice for the same dimensions.
    """
    key = [organization, dataset, start.isoformat(), sorted(dimensions.items()), ordinal]
    return hex_digest(to_json(key))


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
