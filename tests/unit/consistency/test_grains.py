"""Two grains of usage are compared where both are settled, and any difference is counted."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from anthropic_metrics.consistency.grains import Comparison, GrainCheck, check_document, comparable, compared
from anthropic_metrics.documents.usage import NUMBERS as USAGE_NUMBERS
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from tests.harness.report_samples import DAY, HOUR, NAMES, view

OUTPUT = "anthropic.usage.output_tokens"
SAME = dict.fromkeys(USAGE_NUMBERS, 5)
TEN = HOUR + timedelta(hours=1)


def test_equal_sums_differ_nowhere_and_a_lacking_bucket_counts_as_nothing() -> None:
    assert compared({HOUR: SAME}, {HOUR: dict(SAME)}) == {}
    assert compared({HOUR: SAME}, {}) == {HOUR: SAME}
    assert compared({}, {HOUR: {OUTPUT: 3}}) == {HOUR: {OUTPUT: -3}}


def test_only_the_numbers_that_differ_are_named() -> None:
    found = compared({HOUR: SAME, TEN: SAME}, {HOUR: SAME, TEN: SAME | {OUTPUT: 9}})
    assert found == {TEN: {OUTPUT: -4}}


def test_only_whole_coarse_buckets_that_both_hold_and_late_rows_have_reached_are_compared() -> None:
    now = DAY + timedelta(hours=20, minutes=30)
    minutes, hours, days = view("usage_1m"), view("usage"), view("usage_1d")
    assert comparable(minutes, hours, now) == Range(DAY - timedelta(hours=3), DAY + timedelta(hours=15))
    assert comparable(hours, days, now) == Range(DAY - timedelta(days=6), DAY)
    brief = view("usage_1m", minute_backfill=timedelta(hours=3))
    assert comparable(brief, hours, now) is None


def test_a_check_is_a_failure_exactly_if_something_differs() -> None:
    span = Range(HOUR, TEN + timedelta(hours=1))
    good = check_document(Comparison("fine", "coarse", span, 2, {}), NAMES, "default", TEN)
    bad = check_document(Comparison("fine", "coarse", span, 2, {TEN: {OUTPUT: -4}}), NAMES, "default", TEN)
    assert good.source["event"]["outcome"] == "success"
    assert bad.source["event"]["outcome"] == "failure"
    check = bad.source["anthropic"]["grain_check"]
    assert (check["differing_buckets"], check["difference"], check["differing_fields"]) == (1, 4, [OUTPUT])
    assert check["first_differing"] == "2026-11-20T10:00:00Z"


class Answers:
    """Our own streams as a comparison asks them; `missing` are the buckets with a marked document."""

    def __init__(self, missing: frozenset[datetime] = frozenset()) -> None:
        self.tokens = {"usage_1m": 5, "usage": 5}
        self._missing = missing

    def refresh(self, *streams: str) -> None:
        pass

    def sums(self, stream: str, *_: Any, **__: Any) -> dict[datetime, dict[str, int]]:
        return {HOUR: {OUTPUT: self.tokens[stream.split(".")[1].partition("-")[0]]}}

    def windows(self, *_: Any, missing: bool) -> set[datetime]:
        assert missing
        return set(self._missing)


def checked(answers: Answers, *, hours_after: int) -> tuple[int | None, list[str]]:
    """How many buckets differ, where reading again finds so many tokens in the hours, and what was read."""
    read: list[str] = []

    def poller(dataset: str) -> Any:
        def keep(span: Range, *_: Any, **__: Any) -> None:
            assert span == Range(HOUR, HOUR + timedelta(hours=1))
            read.append(dataset)
            answers.tokens["usage"] = hours_after

        return SimpleNamespace(view=view(dataset), keep=keep)

    inventory = cast("Any", SimpleNamespace(names=lambda _: NAMES))
    check = GrainCheck(
        poller("usage_1m"), poller("usage"), inventory, clock=lambda: HOUR + timedelta(hours=12)
    )
    sink = cast("Any", SimpleNamespace(ask=answers, store=None, record=lambda _: None))
    (job,) = check.sweep(sink)
    tally = Tally(job.poller, job.stream)
    job.run(tally)
    return tally.differing, read


def test_grains_that_agree_are_not_read_again() -> None:
    assert checked(Answers(), hours_after=5) == (0, [])


def test_a_difference_counts_only_if_reading_both_grains_again_does_not_end_it() -> None:
    for after, differing in ((5, 0), (9, 1)):
        answers = Answers()
        answers.tokens["usage"] = 9
        assert checked(answers, hours_after=after) == (differing, ["usage_1m", "usage"])


def test_a_bucket_that_waits_for_a_deletion_in_one_grain_is_not_compared() -> None:
    answers = Answers(frozenset({HOUR}))
    answers.tokens["usage"] = 9
    assert checked(answers, hours_after=9) == (0, [])
