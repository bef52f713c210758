"""Keeps the people stream true: whole UTC days that have ended, the last three every few hours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.config import Config
from anthropic_metrics.errors import AnswerTooLarge, RetryLater
from anthropic_metrics.kernel.datasets import PEOPLE, stream_name
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import SWEEP_EVERY, Job, Kind
from anthropic_metrics.kernel.newest import Newest
from anthropic_metrics.kernel.plan import WindowSize
from anthropic_metrics.kernel.ports import NO_TERMS, Documents, Progress, Sink
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import DAY, Range, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.people.build import Day, people_documents
from anthropic_metrics.people.persons import Persons
from anthropic_metrics.people.read import ANALYTICS, CLAUDE_CODE, Reader
from anthropic_metrics.spend.analytics import FIRST, REACHES
from anthropic_metrics.spend.settle import day_start

_RECENT, _REVISED = 3 * DAY, 31 * DAY  # the analytics reports may revise a date for 30 days
_BY = ("anthropic.people.person.alias", "anthropic.people.person.id")


@dataclass(frozen=True, slots=True)
class _Part:
    """Days that were read at once: asked for at `now`, which is `start` in the order of answers."""

    time_range: Range
    now: datetime
    start: int
    days: Iterator[Documents]


class PeoplePoller:
    """A `kernel.ports.Poller` of the people stream."""

    def __init__(
        self, config: Config, client: AdminClient, inventory: Inventory, *, clock: Callable[[], datetime]
    ) -> None:
        self.stream = stream_name(PEOPLE, config.namespace)
        self.only, self.dataset, self.terms = "people", PEOPLE, NO_TERMS
        self._config = config
        self._settings = config.people
        self._salt = config.people.secret()
        self._inventory = inventory
        self._clock = clock
        self._reader = Reader(client)
        self._size = WindowSize("1d")
        self._newest = Newest()
        self._writing = threading.Lock()

    def live(self, sink: Sink) -> list[Job]:
        """The last three days."""
        return [self._job(PEOPLE, sink, lambda: self._last(_RECENT), self._settings.interval)]

    def sweep(self, sink: Sink) -> list[Job]:
        """The last 31 days, in which the reports may still be revised."""
        name = f"{PEOPLE} sweep"
        return [self._job(name, sink, lambda: self._last(_REVISED), SWEEP_EVERY, Kind.sweep)]

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        """The whole history."""
        return [self._job(PEOPLE, sink, self.range, self._settings.interval, progress=progress)]

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        """An older range, as far as the reports reach and the stream keeps it."""
        if self.range(wanted) is None:
            return []
        return [
            self._job(PEOPLE, sink, lambda: self.range(wanted), self._settings.interval, progress=progress)
        ]

    def range(self, wanted: Range | None = None) -> Range | None:
        """The days that are read for `wanted`, else for the whole history; None if there are none."""
        now = self._clock()
        today = floor(now, DAY)
        if wanted is None:
            start = min(self._config.backfill.since(now), today - _REVISED)
            wanted = Range(start, today)
        retention = self._config.retention.of(PEOPLE)
        oldest = max(
            FIRST,
            floor(now - REACHES, DAY) + DAY,
            FIRST if retention is None else floor(now - retention, DAY),
        )
        start, end = max(floor(wanted.start, DAY), oldest), min(floor(wanted.end, DAY), today)
        return Range(start, end) if start < end else None

    def documents(self, wanted: Range, tally: Tally) -> Iterator[Documents]:
        """The documents of `wanted` day by day; aliases that our stream remembers are not joined."""
        yield from self._documents(wanted, self._persons(), tally)

    def joined(self, wanted: Range, ask: Questions, tally: Tally) -> Iterator[Documents]:
        """The same with the aliases that our stream remembers: what `keep` would write; for an audit.

        `absent` says afterwards which reports are refused.
        """
        yield from self._documents(wanted, self._remembered(ask), tally)
        tally.problems(self._inventory.problems)

    @property
    def absent(self) -> Mapping[str, str]:
        """The reports that were refused when they were last asked for, and why."""
        return self._reader.absent

    def keep(self, time_range: Range, sink: Sink, tally: Tally, progress: Progress | None = None) -> None:
        """Make the stream equal to the reports over `time_range`, newest days first.

        Days that another call has asked for in the meantime are left to it. Raises what reading and writing
        raise, and RetryLater where the analytics reports are refused that the stream has figures of: an
        estimate must not replace a bill.
        """
        organization = self._inventory.names(self._clock()).organization_id
        sink.ask.refresh(self.stream)
        persons = self._remembered(sink.ask)
        with self._newest.reading():
            for part in self._parts(time_range, persons, tally):
                self._keep(part, organization, sink, tally)
                tally.windows += 1
                if progress:
                    progress(part.time_range)
        tally.problems(self._inventory.problems)

    def _keep(self, part: _Part, organization: str, sink: Sink, tally: Tally) -> None:
        for day, documents in part.days:
            answer = self._newest.read(part.start, [day])
            absent = self._reader.absent
            if day.start == part.time_range.start and ANALYTICS in absent:
                self._refuse_estimates(part.time_range, organization, sink)
            with self._writing:
                if not self._newest.is_newest(answer, day):
                    continue
                outcome = sink.store.reconcile(
                    self.stream,
                    day,
                    documents,
                    organization_id=organization,
                    now=part.now,
                    confirm_after=self._settings.interval,
                    # What a refused report had has not vanished, nor has a row that could not be read.
                    deletes=not (absent.keys() & {ANALYTICS, CLAUDE_CODE}) and not tally.bad_rows,
                )
            tally.add(outcome)

    def _documents(self, wanted: Range, persons: Persons, tally: Tally) -> Iterator[Documents]:
        for part in self._parts(wanted, persons, tally):
            yield from part.days

    def _parts(self, time_range: Range, persons: Persons, tally: Tally) -> Iterator[_Part]:
        """The range in parts, the newest first, whose rows fit in memory by the density last seen."""
        end = time_range.end
        while time_range.start < end:
            wanted = self._size.newest(Range(time_range.start, end))
            now, start = self._clock(), self._newest.ask()
            try:
                days = self._reader.days(wanted, now, persons, tally)
            except AnswerTooLarge:
                if not self._size.shrinks(wanted):
                    raise
                continue
            self._size.saw(self._reader.rows, (wanted.end - wanted.start) // DAY)
            yield _Part(wanted, now, start, self._built(days, now, persons, tally))
            end = wanted.start

    def _built(
        self, days: Iterator[tuple[date, Day]], now: datetime, persons: Persons, tally: Tally
    ) -> Iterator[Documents]:
        """The documents of each day: of all people only one day's are in memory at once."""
        names = self._inventory.names(now)
        for day, reported in days:
            start = day_start(day)
            if reported != Day(loaded=reported.loaded):
                tally.saw(start + DAY)
            whole = Range(start, start + DAY)
            frame = Frame(PEOPLE, self._config.namespace, whole, names, now, "1d")
            yield whole, people_documents(frame, reported, persons)

    def _refuse_estimates(self, part: Range, organization: str, sink: Sink) -> None:
        """Raises RetryLater where the stream has figures of the analytics reports, which are refused now."""
        terms = {"anthropic.people.basis": ["billed"]}
        documents = sink.ask.documents(self.stream, organization, part, ["@timestamp"], terms=terms)
        if next(iter(documents), None) is not None:
            raise RetryLater(
                f"The API refuses the analytics reports, but {self.stream} has figures from them; "
                f"nothing is written. {self._reader.absent[ANALYTICS]}"
            )

    def _persons(self) -> Persons:
        names = self._inventory.names(self._clock())
        return Persons(self._settings.identify, self._salt, names.api_keys)

    def _remembered(self, ask: Questions) -> Persons:
        """Today's persons, and the aliases that our stream has of earlier ones."""
        persons = self._persons()
        organization = self._inventory.names(self._clock()).organization_id
        persons.remember(
            (str(key[_BY[0]]), str(key[_BY[1]]))
            for key, _ in ask.latest(self.stream, organization, _BY)
            if key[_BY[0]] and key[_BY[1]]
        )
        return persons

    def _last(self, age: timedelta) -> Range | None:
        today = floor(self._clock(), DAY)
        return self.range(Range(today - age, today))

    def _job(
        self,
        name: str,
        sink: Sink,
        wanted: Callable[[], Range | None],
        interval: timedelta,
        kind: Kind = Kind.live,
        progress: Progress | None = None,
    ) -> Job:
        def run(tally: Tally) -> Range | None:
            time_range = wanted()
            if time_range is not None:
                self.keep(time_range, sink, tally, progress)
            return time_range

        return Job(name, self.only, self.stream, interval, run, kind)
