"""Which ranges are computed: those whose usage, bill, prices or settling changed, and no others."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

from anthropic_metrics.kernel.questions import State
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.spend.learn import Key, Learned
from anthropic_metrics.spend.money import usd
from anthropic_metrics.spend.plan import Look, Seen, days_of, due
from anthropic_metrics.spend.settle import day_start

DAY = date(2026, 11, 20)
START = day_start(DAY)
HOUR = timedelta(hours=1)
STATE = State(3, 30, 10)
KEY: Key = (None, (), 5)
KNOWN = {KEY: Learned(usd("1"), 100, DAY)}


def hour(number: int) -> datetime:
    return START + HOUR * number


def span(first: int, count: int = 1) -> Range:
    return Range(hour(first), hour(first + count))


OPEN = Look({hour(9): STATE, hour(10): STATE, hour(12): STATE}, {}, set(), set(), frozenset())
SETTLED = replace(OPEN, cost={DAY: STATE}, settled=frozenset({DAY}))


def after(look: Look) -> Seen:
    return due(DAY, look, KNOWN, {}).inputs


def test_an_open_day_is_computed_by_runs_of_the_hours_that_hold_something() -> None:
    assert due(DAY, OPEN, KNOWN, {}).ranges == [span(9, 2), span(12)]


def test_what_was_computed_is_not_computed_again() -> None:
    assert due(DAY, OPEN, KNOWN, after(OPEN)).ranges == []
    assert due(DAY, SETTLED, KNOWN, after(SETTLED)).ranges == []


def test_a_changed_hour_is_computed_alone_until_the_day_is_settled_and_then_with_its_day() -> None:
    changed = {**OPEN.usage, hour(12): State(3, 31, 11)}

    assert due(DAY, replace(OPEN, usage=changed), KNOWN, after(OPEN)).ranges == [span(12)]
    assert due(DAY, replace(SETTLED, usage=changed), KNOWN, after(SETTLED)).ranges == [span(0, 24)]


def test_a_revised_bill_computes_its_day() -> None:
    revised = replace(SETTLED, cost={DAY: State(3, 31, 11)})

    assert due(DAY, revised, KNOWN, after(SETTLED)).ranges == [span(0, 24)]


def test_settling_computes_the_day_and_losing_its_bill_computes_its_hours() -> None:
    assert due(DAY, SETTLED, KNOWN, after(OPEN)).ranges == [span(0, 24)]
    held = replace(OPEN, held={hour(0), hour(9)})
    assert due(DAY, held, KNOWN, after(SETTLED)).ranges == [span(0), span(9, 2), span(12)]


def test_another_price_computes_every_hour_that_may_need_it() -> None:
    dearer = {KEY: Learned(usd("2"), 100, DAY)}

    assert due(DAY, OPEN, dearer, after(OPEN)).ranges == [span(9, 2), span(12)]


def test_an_hour_with_a_document_that_waits_for_its_deletion_is_computed_until_it_is_gone() -> None:
    waiting = replace(OPEN, held={hour(3)}, waiting={hour(3)})

    assert due(DAY, waiting, KNOWN, after(waiting)).ranges == [span(3)]


def test_the_days_that_hold_anything_come_newest_first_and_none_of_outside_the_range() -> None:
    look = replace(SETTLED, usage={hour(9): STATE, hour(-30): STATE, hour(40): STATE})

    assert days_of(look, Range(START, START + timedelta(days=9))) == [date(2026, 11, 21), DAY]
