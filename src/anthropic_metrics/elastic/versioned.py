"""Documents that several agents share: created once under their id, changed only under their version.

Of two agents that write the same document at once Elasticsearch lets one win; the other is told so.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from anthropic_metrics.elastic.diff import Copy
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.elastic.lookup import refresh
from anthropic_metrics.elastic.operations import Operation, create, overwrite
from anthropic_metrics.elastic.query import all_hits
from anthropic_metrics.elastic.write import BulkWriter
from anthropic_metrics.errors import SinkError

Source = dict[str, Any]
_TAKEN = "a pipeline or the failure store took it"


@dataclass(frozen=True)
class Versioned:
    """A document, and where and under which version it may be changed."""

    copy: Copy
    source: Source

    def changed(self, name: str, value: Mapping[str, Any]) -> Source:
        """The source with another `anthropic.<name>`."""
        return {**self.source, "anthropic": {**self.source["anthropic"], name: value}}


class VersionedStream:
    """One data stream of shared documents. Every method raises MetricsError when Elasticsearch is away."""

    def __init__(self, es: Elasticsearch, stream: str, *, stop: threading.Event | None = None) -> None:
        self.stream = stream
        self._es = es
        self._writer = BulkWriter(es, stop=stop)

    def refresh(self) -> None:
        """Make all that was acknowledged visible to the next `find`."""
        refresh(self._es, self.stream)

    def find(self, filters: list[Mapping[str, Any]]) -> list[Versioned]:
        """Every document that passes the filters, from every shard, as of one moment; oldest first."""
        query = {"bool": {"filter": filters}}
        with translated(f"Looking up {self.stream}"):
            try:
                hits = list(
                    all_hits(self._es, self.stream, query, seq_no_primary_term=True, track_total_hits=False)
                )
            except NotFoundError:
                return []
        documents = [
            Versioned(
                Copy(hit["_id"], hit["_index"], hit["_seq_no"], hit["_primary_term"], None), hit["_source"]
            )
            for hit in hits
        ]
        return sorted(documents, key=lambda document: str(document.source["@timestamp"]))

    def create(self, identity: str, source: Source) -> bool:
        """Create a document; False when another agent was faster. Raises SinkError when it did not arrive."""
        return self._write(create(identity, _body(source)))

    def replace(self, document: Versioned, source: Source) -> bool:
        """Replace the document in the version that was found; False when it has changed since."""
        return self._write(overwrite("replace", document.copy, _body(source)))

    def replace_all(self, changes: Iterable[tuple[Versioned, Source]]) -> None:
        """Replace documents in the versions that were found, in one request; those changed since stay."""
        self._written([overwrite("replace", document.copy, _body(source)) for document, source in changes])

    def _write(self, operation: Operation) -> bool:
        return not self._written([operation])

    def _written(self, operations: list[Operation]) -> int:
        """Write; returns how many had changed meanwhile. Raises SinkError when any did not arrive."""
        written = self._writer.write(self.stream, operations)
        if written.done.total() + len(written.conflicts) < len(operations):
            id_, why = written.refused[0] if written.refused else (operations[0].id, _TAKEN)
            raise SinkError(f"Writing to {self.stream}: document {id_} did not arrive: {why}.")
        return len(written.conflicts)


def _body(source: Source) -> bytes:
    return json.dumps(source, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
