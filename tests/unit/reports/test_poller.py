from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import structlog

from anthropic_metrics.admin_api.client import Priority
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.admin_api.pages import Bucket
from anthropic_metrics.errors import AnswerTooLarge, BadRequest, RetryLater
from anthropic_metrics.kernel.digests import fingerprint
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ports import Store
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports import buckets
from anthropic_metrics.reports.poller import ViewPoller
from tests.harness.report_samples import usage_row, view

NOW = datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC)
START, END = NOW.replace(hour=0, second=0), NOW.replace(hour=12, second=0)
HOUR = timedelta(hours=1)


class Api:
    """Twelve hours with `rows` rows each, and an inventory."""

    def __init__(self, rows: int) -> None:
        self.rows = [usage_row(model=f"m{number}").model_dump() for number in range(rows)]

    def get(self, path: str, params: Sequence[tuple[str, str]] = (), **_: Any) -> Mapping[str, Any]:
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
        self.failures, self.marked, self.meddled = failures, 0, False
        self.held: dict[tuple[datetime, datetime], list[Any]] = {}
        self.seen: list[tuple[datetime, datetime, int]] = []

    def reconcile(self, stream: str, window: Range, documents: list[Any], **_: Any) -> Outcome:
        if self.failures:
            self.failures -= 1
            raise RetryLater("away")
        self.seen.append((window.start, window.end, len(documents)))
        self.held[window.start, window.end] = documents
        return Outcome(created=len(documents), marked=self.marked)

    def holds(self, stream: str, window: Range, expected: int, **_: Any) -> int | None:
        spans = self.held.items()
        held = [d for (start, end), inside in spans if window.start <= start < window.end for d in inside]
        same = fingerprint(Counter(document.hash for document in held)) == expected
        return len(held) if same and not self.meddled else None


class Limited(Api):
    """Answers nothing that begins before `first`, and no more than `most` buckets at a time."""

    def __init__(self, *, first: datetime = START, most: int = 12) -> None:
        super().__init__(rows=1)
        self.first, self.most, self.asked = first, most, 0

    def get(self, path: str, params: Sequence[tuple[str, str]] = (), **more: Any) -> Mapping[str, Any]:
        if path.endswith("/messages"):
            self.asked += 1
            start, end = (datetime.fromisoformat(dict(params)[name]) for name in ("starting_at", "ending_at"))
            if start < self.first:
                raise BadRequest("The Admin API answered 400 (starting_at is too long ago).")
            if (end - start) // HOUR > self.most:
                raise AnswerTooLarge("too large")
        return super().get(path, params, **more)


def poller(api: Any) -> ViewPoller:
    return ViewPoller(view("usage"), api, Inventory(AdminDirectory(api)), clock=lambda: NOW)


def keep(kept: ViewPoller, streams: Any, *, verify: bool = False, in_pass: bool = False) -> Tally:
    tally = Tally("usage", "", in_pass=in_pass)
    whole = Range(START, END)
    kept.keep(whole, streams, tally, record=lambda _: None, priority=Priority.LIVE, verify=verify)
    return tally


def test_spans_hold_no_more_rows_than_fit_in_memory_and_cover_every_bucket_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buckets, "RUN_ROWS", 7)
    streams = Streams()
    tally = keep(poller(Api(rows=3)), streams)
    assert [rows for _, _, rows in streams.seen] == [6] * 6
    covered = sorted(streams.seen)
    assert [start for start, _, _ in covered] == [START, *(end for _, end, _ in covered[:-1])]
    assert covered[-1][1] == END
    assert (tally.created, tally.rows, tally.buckets) == (36, 36, 12)


def test_what_the_api_answers_is_read_and_its_limit_named_with_the_setting() -> None:
    api, streams = Limited(first=START + 5 * HOUR), Streams()
    kept = poller(api)
    tally = keep(kept, streams)
    assert (tally.done, tally.created) == (True, 7)
    assert min(start for start, _, _ in streams.seen) == tally.read_from == START + 5 * HOUR
    (note,) = tally.notes
    assert "answers nothing before 2026-11-20T05:00Z: set `backfill` to 0.292 days or less" in note
    assert "starting_at is too long ago" in note
    # The age is remembered: the next poll does not search again.
    api.asked = 0
    assert keep(kept, streams).notes == []
    assert api.asked <= 2


@pytest.mark.parametrize(("in_pass", "level"), [(True, "debug"), (False, "warning")])
def test_a_pass_shows_a_limit_of_the_api_in_its_note_and_not_again_in_the_log(
    in_pass: bool, level: str
) -> None:
    with structlog.testing.capture_logs() as events:
        tally = keep(poller(Limited(first=START + 5 * HOUR)), Streams(), in_pass=in_pass)
    assert len(tally.notes) == 1
    told = [event["log_level"] for event in events if event["event"] == "report_reaches_less_far"]
    assert told == [level]


@pytest.mark.parametrize("first", [END + HOUR, END])
def test_a_refusal_that_age_does_not_explain_fails_the_poll(first: datetime) -> None:
    with pytest.raises(BadRequest):
        keep(poller(Limited(first=first)), Streams())


def test_a_window_whose_answer_is_too_large_is_read_in_smaller_ones() -> None:
    streams = Streams()
    assert keep(poller(Limited(most=1)), streams).created == 12
    with pytest.raises(AnswerTooLarge):
        keep(poller(Limited(most=0)), streams)


def test_a_bucket_with_more_rows_than_a_span_goes_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "RUN_ROWS", 7)
    streams = Streams()
    keep(poller(Api(rows=9)), streams)
    assert [rows for _, _, rows in streams.seen] == [9] * 12


def test_an_unchanged_answer_is_not_compared_again() -> None:
    kept, streams = poller(Api(rows=2)), Streams()
    keep(kept, streams)
    streams.seen.clear()
    tally = keep(kept, streams)
    assert (streams.seen, tally.unchanged_buckets) == ([], 12)


def test_a_sweep_builds_nothing_where_answer_and_stream_are_as_they_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buckets, "RUN_ROWS", 7)
    kept, streams = poller(Api(rows=2)), Streams()
    keep(kept, streams)
    streams.seen.clear()
    tally = keep(kept, streams, verify=True)
    assert (streams.seen, tally.kept, tally.rows, tally.windows) == ([], 24, 0, 1)


def test_a_sweep_compares_what_somebody_else_has_changed() -> None:
    kept, streams = poller(Api(rows=2)), Streams()
    keep(kept, streams)
    streams.seen.clear()
    streams.meddled = True
    assert keep(kept, streams, verify=True).rows == 24
    assert sum(documents for _, _, documents in streams.seen) == 24


def test_a_sweep_builds_what_has_not_been_reconciled_before() -> None:
    api, streams = Api(rows=2), Streams()
    kept = poller(api)
    keep(kept, streams)
    api.rows = api.rows[:1]
    streams.seen.clear()
    assert keep(kept, streams, verify=True).rows == 12


def test_a_window_that_could_not_be_written_is_not_counted_and_comes_again() -> None:
    kept, streams = poller(Api(rows=2)), Streams(failures=1)
    tally = Tally("usage", "")
    with pytest.raises(RetryLater, match="away"):
        kept.keep(
            Range(START, END),
            cast(Store, streams),
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


def test_a_currency_is_named_once_and_one_of_another_type_is_passed_over() -> None:
    rows = [{"currency": value} for value in ("usd", "EUR", "eur", {"code": "EUR"}, ["EUR"], None, 7)]
    (sentence,) = buckets.other_currencies(Bucket(START, END, rows))
    assert sentence.startswith("Costs in EUR are in no budget")
