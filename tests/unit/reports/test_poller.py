from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from harness.report_samples import usage_row, view

from anthropic_metrics.admin_api.client import Priority
from anthropic_metrics.elastic.reconcile import Outcome
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports import poller as module
from anthropic_metrics.reports.poller import ViewPoller

NOW = datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC)
START, END = NOW.replace(hour=0, second=0), NOW.replace(hour=12, second=0)
HOUR = timedelta(hours=1)


class Api:
    """Twelve hours with `rows` rows each, and an inventory."""

    def __init__(self, rows: int) -> None:
        self.rows = [usage_row(model=f"m{number}").model_dump() for number in range(rows)]

    def get(
        self, path: str, params: Sequence[tuple[str, str]] = (), *, headers: Any = None, priority: Any = None
    ) -> Mapping[str, Any]:
        if path.endswith("/me"):
            return {"id": "org-1", "name": "Acme"}
        if not path.endswith("/messages"):
            return {"data": [], "has_more": False}
        asked = dict(params)
        start, end = (datetime.fromisoformat(asked[name]) for name in ("starting_at", "ending_at"))
        hours = [start + number * HOUR for number in range((end - start) // HOUR)]
        data = [
            {
                "starting_at": hour.isoformat(),
                "ending_at": (hour + HOUR).isoformat(),
                "results": [dict(row) for row in self.rows],
            }
            for hour in hours
        ]
        return {"data": data, "has_more": False, "next_page": None}


class Streams:
    """Notes what is reconciled; fails as often as told to; `marked` is what it says of each span."""

    def __init__(self, failures: int = 0) -> None:
        self.failures, self.marked = failures, 0
        self.seen: list[tuple[datetime, datetime, int]] = []

    def reconcile(
        self, stream: str, window: tuple[datetime, datetime], documents: list[Any], **_: Any
    ) -> Outcome:
        if self.failures:
            self.failures -= 1
            raise RetryLater("away")
        self.seen.append((window.start, window.end, len(documents)))
        return Outcome(created=len(documents), marked=self.marked)


def poller(api: Any) -> ViewPoller:
    return ViewPoller(view("usage"), api, Inventory(api), clock=lambda: NOW)


def keep(kept: ViewPoller, streams: Any) -> Tally:
    tally = Tally("usage", "")
    whole = Range(START, END)
    kept.keep(whole, streams, tally, record=lambda _: None, priority=Priority.LIVE)
    return tally


def test_spans_hold_no_more_rows_than_fit_in_memory_and_cover_every_bucket_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SPAN_ROWS", 7)
    streams = Streams()
    tally = keep(poller(Api(rows=3)), streams)
    assert [rows for _, _, rows in streams.seen] == [6] * 6
    covered = sorted(streams.seen)
    assert [start for start, _, _ in covered] == [START, *(end for _, end, _ in covered[:-1])]
    assert covered[-1][1] == END
    assert (tally.created, tally.rows, tally.buckets) == (36, 36, 12)


def test_a_bucket_with_more_rows_than_a_span_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SPAN_ROWS", 7)
    streams = Streams()
    keep(poller(Api(rows=9)), streams)
    assert [rows for _, _, rows in streams.seen] == [9] * 12


def test_an_unchanged_answer_is_not_compared_again() -> None:
    kept, streams = poller(Api(rows=2)), Streams()
    keep(kept, streams)
    streams.seen.clear()
    tally = keep(kept, streams)
    assert (streams.seen, tally.unchanged_buckets) == ([], 12)


def test_a_window_that_could_not_be_written_is_not_counted_and_comes_again() -> None:
    kept, streams = poller(Api(rows=2)), Streams(failures=1)
    tally = Tally("usage", "")
    with pytest.raises(RetryLater, match="away"):
        kept.keep(
            Range(START, END),
            streams,  # type: ignore[arg-type]
            tally,
            record=lambda _: None,
            priority=Priority.LIVE,
        )
    assert (tally.windows, tally.created) == (0, 0)
    assert keep(kept, streams).created == 24


def test_rows_that_were_gone_once_are_compared_again_when_the_old_answer_is_back() -> None:
    api, streams = Api(rows=2), Streams()
    kept = poller(api)
    keep(kept, streams)
    rows, api.rows, streams.marked = api.rows, [], 24
    keep(kept, streams)
    api.rows, streams.marked = rows, 0
    streams.seen.clear()
    keep(kept, streams)
    assert sum(documents for _, _, documents in streams.seen) == 24


def test_a_write_that_failed_is_compared_again_when_the_old_answer_is_back() -> None:
    api, streams = Api(rows=2), Streams()
    kept = poller(api)
    keep(kept, streams)
    rows, api.rows, streams.failures = api.rows, api.rows[:1], 1
    with pytest.raises(RetryLater, match="away"):
        keep(kept, streams)
    api.rows = rows
    streams.seen.clear()
    keep(kept, streams)
    assert sum(documents for _, _, documents in streams.seen) == 24
