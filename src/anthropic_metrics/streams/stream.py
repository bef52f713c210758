"""What there is to know of a data stream, as one value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from anthropic_metrics.documents.base import Document
from anthropic_metrics.kernel.datasets import PREFIX, stream_name, template_name

if TYPE_CHECKING:
    from anthropic_metrics.agent.organization import Organization
    from anthropic_metrics.kernel.ports import Poller

    Factory = Callable[[Organization], Iterable[Poller]]


@dataclass(frozen=True)
class Total:
    """What `audit` adds up over a stream: a dotted field, read as an exact decimal, and its unit."""

    field: str
    unit: str


@dataclass(frozen=True, kw_only=True)
class Stream:
    """One data stream, `metrics-anthropic_metrics.<key>-<namespace>`.

    `title` and `about` (what one document is) are for people; `polled` says how often by default, and
    `retention` how long documents stay by default (None: without end), `retained` naming them in a sentence.
    """

    key: str
    title: str
    about: str
    document: type[Document]
    polled: str
    retained: str
    retention: timedelta | None = None
    # What is read again later: a stream that forgets sooner would get the same documents anew.
    least_retention: timedelta | None = None
    # Dotted fields: numbers whose change after completion is recorded as a correction, and the flag of it.
    corrected: tuple[str, ...] = ()
    complete: str | None = None
    total: Total | None = None
    # Its name in `--only`, empty for streams that no poller fills, and how to make its pollers for an
    # organization: none where the configuration does not ask for it.
    only: str = ""
    pollers: Factory | None = None
    # Whether panels read it: `setup` makes it before the first document, so that they show zero and no error.
    panels: bool = False
    # Fields of other indices, with their types, for queries that read this stream beside those indices:
    # mapped here, so that they exist while the others do not. No document of this stream has them.
    lent: Mapping[str, str] = field(default_factory=dict)

    @property
    def dataset(self) -> str:
        """The dataset, `anthropic_metrics.<key>`."""
        return f"{PREFIX}.{self.key}"

    @property
    def template(self) -> str:
        """The name of its index template and of its ingest pipeline."""
        return template_name(self.dataset)

    def name(self, namespace: str) -> str:
        """The data stream's name in a namespace."""
        return stream_name(self.dataset, namespace)
