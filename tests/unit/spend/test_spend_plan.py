"""Which ranges are computed: those whose usage, bill, prices or settling changed, and no others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from anthropic_metrics.derived.runs import GAP_DOCUMENTS, RUN_DOCUMENTS
from anthropic_metrics.kernel.questions import State
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.spend.learn import Key, Learned
from anthropic_metrics.spend.money import usd
from anthropic_metrics.spend.plan import Kind, Part, Seen, SpendSources, days_of, due, parts_of, runs, seen_as
from anthropic_metrics.spend.settle import day_start

DAY = date(2026, 11, 20)
START = day_start(DAY)
HOUR = timedelta(hours=1)
STATE = State(3, 30, 10)
KEY: Key = (None, (), 5)
KNOWN = {KEY: Learned(usd("1"), 100, DAY)}
TOTAL = ("12.5", "14")


def hour(number: int) -> datetime:
    return START + HOUR * number


def span(first: int, count: int = 1) -> Range:
    return Range(hour(first), hour(first + count))


OPEN = SpendSources({hour(9): STATE, hour(10): STATE, hour(12): STATE}, {}, set(), set(), frozenset())
SETTLED = replace(OPEN, cost={DAY: STATE}, settled=frozenset({DAY}))
BILLED = replace(SETTLED, billed={hour(9): TOTAL, hour(10): TOTAL}, loaded=hour(24))


def after(sources: SpendSources) -> Seen:
    return {part.time_range: seen_as(part) for part in parts_of(DAY, sources, KNOWN)}


def computed(sources: SpendSources, seen: Seen, known: dict[Key, Learned] = KNOWN) -> list[Range]:
    """The spans that are due, oldest first."""
    return [part.time_range for part in reversed(due(parts_of(DAY, sources, known), sources, seen))]


def test_an_open_day_is_computed_by_the_hours_that_hold_something() -> None:
    assert computed(OPEN, {}) == [span(9), span(10), span(12)]


def test_what_was_computed_is_not_computed_again() -> None:
    for sources in (OPEN, SETTLED, BILLED):
        assert computed(sources, after(sources)) == []


def test_a_changed_hour_is_computed_alone_until_the_day_is_settled_and_then_with_its_day() -> None:
    changed = {**OPEN.usage, hour(12): State(3, 31, 11)}

    assert computed(replace(OPEN, usage=changed), after(OPEN)) == [span(12)]
    assert computed(replace(SETTLED, usage=changed), after(SETTLED)) == [span(0, 24)]


def test_a_revised_bill_computes_its_day() -> None:
    revised = replace(SETTLED, cost={DAY: State(3, 31, 11)})

    assert computed(revised, after(SETTLED)) == [span(0, 24)]


def test_settling_computes_the_day_and_losing_its_bill_computes_its_hours() -> None:
    assert computed(SETTLED, after(OPEN)) == [span(0, 24)]
    stored = replace(OPEN, stored={hour(0), hour(9)})
    assert computed(stored, after(SETTLED)) == [span(0), span(9), span(10), span(12)]


def test_another_price_computes_every_hour_that_may_need_it() -> None:
    dearer = {KEY: Learned(usd("2"), 100, DAY)}

    assert computed(OPEN, after(OPEN), dearer) == [span(9), span(10), span(12)]


def test_an_hour_with_a_document_that_waits_for_its_deletion_is_computed_until_it_is_gone() -> None:
    waiting = replace(OPEN, stored={hour(3)}, waiting={hour(3)})

    assert computed(waiting, after(waiting)) == [span(3)]


def test_a_day_whose_analytics_reports_cannot_be_read_is_left_as_it_is() -> None:
    untouched = replace(BILLED, untouched=frozenset({DAY}), waiting={hour(9)}, stored={hour(9)})

    assert computed(untouched, {}) == []


def test_an_hour_of_the_analytics_reports_is_computed_when_its_total_or_a_price_changes() -> None:
    """What its cache saved, and rows that the report does not have yet, rest on prices."""
    revised = replace(BILLED, billed={**BILLED.billed, hour(10): ("12.6", "14")})

    assert computed(revised, after(BILLED)) == [span(10)]
    assert computed(BILLED, after(BILLED), {}) == [span(9), span(10), span(12)]


def test_a_day_is_billed_only_once_the_reports_have_loaded_all_of_it() -> None:
    assert BILLED.is_billed(DAY)
    assert not replace(BILLED, loaded=hour(23)).is_billed(DAY)
    assert not replace(BILLED, loaded=None).is_billed(DAY)
    assert not replace(BILLED, billed={}).is_billed(DAY)


def test_the_days_that_hold_anything_come_newest_first_and_none_of_outside_the_range() -> None:
    sources = replace(SETTLED, usage={hour(9): STATE, hour(-30): STATE, hour(40): STATE})

    assert days_of(sources, Range(START, START + timedelta(days=9))) == [date(2026, 11, 21), DAY]


def parts(*described: tuple[int, int, Kind, int]) -> list[Part]:
    """Parts by first hour, hours, kind and rows, given oldest first."""
    return [Part(span(first, count), kind, None, rows) for first, count, kind, rows in reversed(described)]


def spans(found: list[Part], wanted: Iterable[Range]) -> list[Range]:
    return [run.time_range for run in runs(found, set(wanted))]


def test_a_run_reaches_over_open_hours_settled_days_and_the_nothing_between_them() -> None:
    found = parts((0, 24, "settled", 300), (24, 24, "settled", 300), (57, 1, "open", 9), (60, 1, "open", 9))

    assert spans(found, [part.time_range for part in found]) == [span(0, 61)]
    (run,) = runs(found, {part.time_range for part in found})
    assert run.settled == [date(2026, 11, 21), DAY]


def test_a_month_is_computed_in_runs_by_its_rows() -> None:
    found = parts(*((24 * day, 24, "settled", 1_000) for day in range(30)))

    assert len(spans(found, [part.time_range for part in found])) == -(-30_000 // RUN_DOCUMENTS)


def test_a_part_that_is_larger_than_a_run_is_computed_alone() -> None:
    found = parts((0, 24, "settled", 3 * RUN_DOCUMENTS), (24, 24, "settled", 1))

    assert spans(found, [part.time_range for part in found]) == [span(24, 24), span(0, 24)]


def test_what_is_right_is_computed_along_only_where_it_has_few_rows() -> None:
    few = parts((0, 1, "open", 9), (1, 1, "open", GAP_DOCUMENTS), (2, 1, "open", 9))
    many = parts((0, 1, "open", 9), (1, 1, "open", GAP_DOCUMENTS + 1), (2, 1, "open", 9))

    assert spans(few, [span(0), span(2)]) == [span(0, 3)]
    assert spans(many, [span(0), span(2)]) == [span(2), span(0)]


def test_nothing_is_read_of_the_admin_api_that_no_change_asks_for() -> None:
    found = parts((0, 1, "open", 9), (1, 1, "billed", 9), (2, 1, "open", 9))

    assert spans(found, [span(0), span(2)]) == [span(2), span(0)]


def test_hours_of_the_analytics_reports_are_a_run_of_their_own() -> None:
    found = parts((0, 1, "billed", 9), (1, 1, "billed", 9), (2, 1, "open", 9))

    assert spans(found, [part.time_range for part in found]) == [span(2), span(0, 2)]
    assert [run.is_billed for run in runs(found, {part.time_range for part in found})] == [False, True]


def test_no_run_reaches_over_a_day_that_is_to_stay_as_it_is() -> None:
    found = parts((0, 1, "open", 9), (24, 24, "untouched", 0), (50, 1, "open", 9))

    assert spans(found, [span(0), span(50)]) == [span(50), span(0)]


KINDS = st.sampled_from(["open", "billed", "untouched"])
ROWS = st.sampled_from([0, 1, 200, GAP_DOCUMENTS, RUN_DOCUMENTS // 2, RUN_DOCUMENTS + 1])


@given(st.lists(st.tuples(KINDS, ROWS, st.booleans()), max_size=30))
def test_every_part_that_is_due_is_in_one_run_and_none_that_may_not_be_touched(
    hours: list[tuple[Kind, int, bool]],
) -> None:
    found = parts(*((number, 1, kind, rows) for number, (kind, rows, _) in enumerate(hours)))
    wanted = {span(n) for n, (kind, _, is_due) in enumerate(hours) if is_due and kind != "untouched"}

    made = list(runs(found, wanted))

    covered = [part.time_range for run in made for part in run.parts]
    assert len(covered) == len(set(covered))
    assert set(covered) >= wanted
    for run in made:
        inside = [
            part for part in found if run.time_range.start <= part.time_range.start < run.time_range.end
        ]
        assert inside == list(run.parts)
        assert not any(part.kind == "untouched" for part in inside)
        assert len({part.kind == "billed" for part in inside}) == 1
        if len(run.parts) > 1:
            assert sum(part.rows for part in run.parts if part.time_range in wanted) <= RUN_DOCUMENTS
            assert run.parts[0].time_range in wanted
            assert run.parts[-1].time_range in wanted


def test_the_day_in_which_usage_begins_is_known_unless_it_begins_at_midnight() -> None:
    later = {hour(30): STATE}
    assert replace(OPEN, usage={hour(9): STATE} | later).begins_within == DAY
    assert replace(OPEN, usage={hour(0): STATE} | later).begins_within is None
    assert replace(OPEN, usage={}).begins_within is None


def test_a_settled_day_is_as_large_as_its_usage_or_its_bill_whichever_has_more_rows() -> None:
    for documents in (2, 400):
        look = replace(SETTLED, cost={DAY: State(documents, 1, 1)})
        (part,) = parts_of(DAY, look, KNOWN)
        assert part.rows == max(documents, 3 * STATE.documents)


def test_a_document_that_waits_at_a_parts_end_belongs_to_the_next_part() -> None:
    look = replace(OPEN, stored={hour(10)}, waiting={hour(10)})
    assert computed(look, after(look)) == [span(10)]


def test_the_day_after_a_range_is_not_in_it() -> None:
    look = replace(OPEN, usage={hour(number): STATE for number in (0, 23, 24)})
    assert days_of(look, Range(hour(0), hour(24))) == [DAY]
    assert len(parts_of(DAY, look, KNOWN)) == 2
