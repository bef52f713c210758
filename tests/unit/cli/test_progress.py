"""The bar names what is read or computed, in hours of the Admin API's ranges; the log has days."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rich.progress import Progress

from anthropic_metrics import logs
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


def test_without_a_terminal_the_log_tells_of_each_job_and_twice_a_minute_how_far_the_pass_is() -> None:
    stream, seconds = io.StringIO(), 0.0
    logs.configure("info", "json", stream)
    bar = Bar(total=timedelta(days=15), monotonic=lambda: seconds)
    bar.begin(replace(JOB, organization="acme"))
    for number in range(10):
        seconds += 10
        bar.advance(Range(DAY - timedelta(days=number + 1), DAY - timedelta(days=number)))
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert {line["message"] for line in lines} == {"pass_progress"}
    assert (lines[0]["job"], lines[0]["organization.name"], lines[0]["of_days"]) == ("job", "acme", 15)
    assert [(line["read"], line["done_days"], line["seconds_left"]) for line in lines[1:]] == [
        ("2026-11-17", 3, 120),
        ("2026-11-14", 6, 90),
        ("2026-11-11", 9, 60),
    ]


def test_what_is_left_is_not_estimated_from_the_first_few_windows() -> None:
    stream, seconds = io.StringIO(), 0.0
    logs.configure("info", "json", stream)
    bar = Bar(total=timedelta(days=100), monotonic=lambda: seconds)
    for hours in (1, 24 * 9):
        seconds += 30
        bar.advance(Range(DAY, DAY + timedelta(hours=hours)))
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert "seconds_left" not in first
    assert second["seconds_left"] == 604
