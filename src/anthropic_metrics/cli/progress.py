"""How far a pass over a long range is, as a bar on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import Range

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

HOUR = timedelta(hours=1)


class Bar:
    """What a pass tells of itself; shown nowhere without `shown`, a bar and its task."""

    def __init__(self, shown: tuple[Progress, TaskID] | None = None) -> None:
        self._shown = shown
        self._done = timedelta()
        self._job = ""

    def begin(self, job: Job) -> None:
        """A job begins: what reads no hours of the Admin API, such as headroom, is named at least."""
        self._job = " ".join(filter(None, (job.organization, job.poller)))
        self._update(self._job)

    def advance(self, window: Range) -> None:
        """A window was read."""
        self._done += window.end - window.start
        self._update(f"{self._job} {window.start:%Y-%m-%d}".lstrip())

    def _update(self, text: str) -> None:
        if self._shown is not None:
            bar, task = self._shown
            bar.update(task, completed=round(self._done / HOUR), description=text)


@contextmanager
def progress(ranges: list[Range]) -> Iterator[Bar]:
    """A bar over the hours of `ranges` on a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    total = sum((time_range.end - time_range.start for time_range in ranges), timedelta())
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
