"""What one poll did, counted: for its log line, its document in the agent stream, and the exit code."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from datetime import datetime

from anthropic_metrics.errors import AuthError, MetricsError, WrongOrganization
from anthropic_metrics.kernel.outcome import Counts
from anthropic_metrics.kernel.problems import Problems

WRITTEN = tuple(item.name for item in fields(Counts))
# A poll counts in the thread that reads and in the one that writes.
_ADDING = threading.Lock()


@dataclass
class Tally(Counts):
    """Counts of one pass over one stream. `beside` counts by stream what the pass wrote to others, such as
    the checks of spend in the agent stream.

    `differing` buckets of two grains, None: none were compared. `open_alerts` of the agent's own alerting,
    None: it did nothing here. `estimate_error` is by what share of its bill the newest settled day was
    estimated too high, None: not known. `answers` names what the Admin API's answers had wrong (`bad_rows`
    counts it) or new (`unknown_fields`). `unmatched` counts rows of the cost analytics report that fit no row
    of usage. `notes` are no failures, but tell what to do. `read_from` is set where the API answers nothing
    older. `delivers` says of each telemetry destination whether spans arrive, None: none were read.
    `silencing` has a sentence for each value that keeps budgets or alert rules silent. `denied`: a server
    does not take the key at all, so that any other poller of the organization would fail, too. `in_pass`: it
    is one of a pass that somebody, or cron, repeats.
    """

    poller: str
    stream: str
    windows: int = 0
    pages: int = 0
    buckets: int = 0
    unchanged_buckets: int = 0
    rows: int = 0
    bad_rows: int = 0
    unknown_fields: int = 0
    unmatched: int = 0
    differing: int | None = None
    open_alerts: int | None = None
    newest_data: datetime | None = None
    read_from: datetime | None = None
    estimate_error: float | None = None
    delivers: dict[str, bool] | None = None
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    answers: Problems = field(default_factory=Problems)
    silencing: set[str] = field(default_factory=set)
    denied: bool = False
    in_pass: bool = False
    beside: dict[str, Counts] = field(default_factory=dict)

    @property
    def aside(self) -> int:
        """The level of a log line on which nobody has to act: each pass would say it again."""
        return logging.DEBUG if self.in_pass else logging.INFO

    @property
    def noted(self) -> int:
        """The level of a warning that is among `notes`, too: a pass shows these below its table."""
        return logging.DEBUG if self.in_pass else logging.WARNING

    def add(self, outcome: Counts, stream: str = "") -> None:
        """Count one reconciled window, of another `stream` than the pass's own if one is named."""
        own = stream in ("", self.stream)
        with _ADDING:
            into = self if own else self.beside.setdefault(stream, Counts())
            for name in WRITTEN:
                setattr(into, name, getattr(into, name) + getattr(outcome, name))

    @property
    def written(self) -> dict[str, Counts]:
        """What became of documents, by stream."""
        return {self.stream: self, **self.beside}

    def fail(self, error: MetricsError) -> None:
        """Note why the pass failed."""
        self.failures.append(str(error))
        is_unknown_key = isinstance(error, AuthError) and error.status == 401
        self.denied = is_unknown_key or isinstance(error, WrongOrganization)

    def problems(self, problems: Problems) -> None:
        """Count what the answers had wrong or new."""
        self.bad_rows += problems.total
        self.unknown_fields += sum(problems.unknown_fields.values())
        self.answers.add(problems)

    @property
    def unread(self) -> str:
        """What of the Admin API's answers could not be read, in sentences; empty if nothing."""
        return " ".join(filter(None, (*self.failures, str(self.answers))))

    def page(self) -> None:
        """Count one page of an answer."""
        self.pages += 1

    def saw(self, end: datetime) -> None:
        """Note a bucket with rows that ends at `end`."""
        self.newest_data = end if self.newest_data is None else max(self.newest_data, end)

    @property
    def done(self) -> bool:
        """Whether every window was read to its end, every row of it, and every document arrived."""
        return not (self.failures or self.bad_rows or self.missing)

    @property
    def missing(self) -> int:
        """Wanted documents that did not arrive, whatever their stream."""
        return super().missing + sum(counts.missing for counts in self.beside.values())

    @property
    def changed(self) -> int:
        """Documents written or removed, whatever their stream."""
        return super().changed + sum(counts.changed for counts in self.beside.values())

    def counts(self) -> dict[str, int]:
        """Every counter that is not zero."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if type(value) is int and value}


def merged(tallies: Iterable[Tally]) -> dict[str, Tally]:
    """One tally per stream."""
    by_stream: dict[str, Tally] = {}
    for tally in tallies:
        total = by_stream.setdefault(tally.stream, Tally(tally.poller, tally.stream))
        for name, value in tally.counts().items():
            setattr(total, name, (getattr(total, name) or 0) + value)
        total.failures += tally.failures
        total.notes += tally.notes
        total.silencing |= tally.silencing
        if tally.newest_data is not None:
            total.saw(tally.newest_data)
        for stream, counts in tally.beside.items():
            by_stream.setdefault(stream, Tally(tally.poller, stream)).add(counts)
    return by_stream
