"""Runs of windows follow the density of documents: requests in proportion to documents, not to hours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from anthropic_metrics.derived.runs import GAP_DOCUMENTS, RUN_DOCUMENTS, Runs
from anthropic_metrics.kernel.ranges import Range

WINDOW = timedelta(minutes=5)
NOW = datetime(2026, 11, 20, tzinfo=UTC)


def at(numbers: Iterable[int]) -> set[datetime]:
    return {NOW + number * WINDOW for number in numbers}


def walk(
    runs: Runs, numbers: Iterable[int], documents: Callable[[int], int], *, gaps_are_empty: bool
) -> list[tuple[int, int]]:
    """Number of the first window and of the one after the last, of each run; `documents` of so many."""
    found = []
    for run, windows in runs.over(at(numbers), gaps_are_empty=gaps_are_empty):
        found.append(((run.start - NOW) // WINDOW, (run.end - NOW) // WINDOW))
        runs.saw(documents(windows), windows)
    return found


def test_the_first_run_is_small_and_the_next_grow_by_no_more_than_four_times() -> None:
    found = walk(Runs(WINDOW, 12), range(2_000), lambda windows: 0, gaps_are_empty=True)
    assert [end - start for start, end in found] == [12, 48, 192, 768, 980]


def test_a_run_holds_as_many_windows_as_their_documents_fit_into_memory() -> None:
    runs = Runs(WINDOW, 12)
    each = 1_000
    found = walk(runs, range(60), lambda windows: each * windows, gaps_are_empty=True)
    assert {end - start for start, end in found[1:-1]} == {RUN_DOCUMENTS // each}
    assert found[0] == (48, 60)
    assert found[-1][0] == 0


def test_a_month_of_use_on_working_days_takes_runs_by_its_documents_not_by_its_hours() -> None:
    working = [n for n in range(30 * 288) if n // 288 % 7 < 5 and 96 <= n % 288 < 216 and n % 3 == 0]
    found = walk(Runs(WINDOW, 12), working, lambda windows: 45 * windows, gaps_are_empty=True)
    documents = 45 * len(working)
    assert len(found) <= documents / RUN_DOCUMENTS + 4


def test_windows_between_changed_ones_are_computed_along_where_few_documents_fill_them() -> None:
    runs = Runs(WINDOW, 12)
    walk(runs, range(3_000), lambda windows: 10 * windows, gaps_are_empty=True)
    along = GAP_DOCUMENTS // 10
    numbers = {0, 1, 1 + along + 2, 1 + along + 2 + along + 1}
    found = walk(runs, numbers, lambda windows: 10 * windows, gaps_are_empty=False)
    assert found == [(along + 3, 2 * along + 5), (0, 2)]


def test_every_window_that_is_due_is_in_exactly_one_run() -> None:
    numbers = {n * n % 7_919 for n in range(900)}
    for empty in (True, False):
        runs = Runs(WINDOW, 12)
        covered: list[datetime] = []
        for run, windows in runs.over(at(numbers), gaps_are_empty=empty):
            covered += [start for start in at(numbers) if run.start <= start < run.end]
            runs.saw(37 * windows, windows)
        assert sorted(covered) == sorted(at(numbers))


def test_nothing_due_makes_no_run() -> None:
    assert list(Runs(WINDOW, 12).over((), gaps_are_empty=True)) == list[tuple[Range, int]]()
