"""Two grains of usage are compared where both are settled, and any difference is counted."""

from __future__ import annotations

from datetime import timedelta

from anthropic_metrics.consistency.grains import Comparison, check_document, comparable, compared
from anthropic_metrics.documents.usage import NUMBERS as USAGE_NUMBERS
from anthropic_metrics.kernel.ranges import Range
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
