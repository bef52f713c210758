"""The bar names what is read or computed, in hours of the Admin API's ranges."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.progress import Progress

from anthropic_metrics.cli.progress import Bar
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import Range

DAY = datetime(2026, 11, 20, tzinfo=UTC)
JOB = Job("job", "usage", "stream", timedelta(hours=1), lambda _: None)


def test_a_job_that_reads_no_hours_is_named_in_place_of_the_last_day_that_was_read() -> None:
    with Progress(disable=True) as shown:
        task = shown.add_task("", total=48)
        bar = Bar((shown, task))
        bar.begin(JOB)
        bar.advance(Range(DAY, DAY + timedelta(days=1)))
        assert (shown.tasks[0].description, shown.tasks[0].completed) == ("usage 2026-11-20", 24)
        bar.begin(replace(JOB, poller="headroom", organization="acme"))
        assert (shown.tasks[0].description, shown.tasks[0].completed) == ("acme headroom", 24)


def test_without_a_terminal_nothing_is_shown() -> None:
    bar = Bar()
    bar.begin(JOB)
    bar.advance(Range(DAY, DAY + timedelta(days=1)))
