"""How far a pass over a long range is: a bar on a terminal, lines of the log elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import DAY, Range
from anthropic_metrics.logs import about, get_logger

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

HOUR = timedelta(hours=1)
LOG_EVERY = 30.0  # seconds, between two lines about one job
ENOUGH = 0.05  # of the whole pass, before what is left can be estimated

log = get_logger(__name__)


class Bar:
    """What a pass over ranges of `total` length tells of itself: on `shown`, a bar and its task, else in the
    log. Thread-safe; `monotonic` measures."""

    def __init__(
        self,
        shown: tuple[Progress, TaskID] | None = None,
        *,
        total: timedelta = timedelta(),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._shown = shown
        self._total = total
        self._monotonic = monotonic
        self._began = self._logged = monotonic()
        self._lock = threading.Lock()
        self._done = timedelta()
        self._job = ""

    def begin(self, job: Job) -> None:
        """A job begins: what reads no hours of the Admin API, such as headroom, is named at least."""
        self._job = " ".join(filter(None, (job.organization, job.poller)))
        self._update(self._job)
        if self._shown is None:
            with about(job.organization):
                self._log(job=job.name)

    def advance(self, window: Range) -> None:
        """A window was read."""
        with self._lock:
            self._done += window.end - window.start
            is_due = self._shown is None and self._monotonic() - self._logged >= LOG_EVERY
            if is_due:
                self._logged = self._monotonic()
        self._update(f"{self._job} {window.start:%Y-%m-%d}".lstrip())
        if is_due:
            self._log(read=f"{window.start:%Y-%m-%d}")

    def _log(self, **what: str) -> None:
        took, done = self._monotonic() - self._began, min(self._done, self._total)
        left = (
            {"seconds_left": round(took * ((self._total - done) / done))}
            if done > self._total * ENOUGH
            else {}
        )
        days = {"done_days": round(done / DAY, 1), "of_days": round(self._total / DAY, 1)}
        log.info("pass_progress", **what, **days, **left)

    def _update(self, text: str) -> None:
        if self._shown is not None:
            bar, task = self._shown
            bar.update(task, completed=round(self._done / HOUR), description=text)


@contextmanager
def progress(ranges: list[Range]) -> Iterator[Bar]:
    """A bar over the hours of `ranges` on a terminal; lines of the log elsewhere."""
    total = sum((time_range.end - time_range.start for time_range in ranges), timedelta())
    if not sys.stderr.isatty():
        yield Bar(total=total)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    hours = TextColumn("hours")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        hours,
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Bar((bar, bar.add_task("", total=round(total / HOUR))))
