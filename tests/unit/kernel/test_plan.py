from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_metrics.kernel.plan import (
    PAGE_MOST,
    WINDOW_ROWS,
    Rung,
    due_rungs,
    newest_window,
    next_density,
    reach,
)
from anthropic_metrics.kernel.ranges import (
    WIDTHS,
    Range,
    Width,
    ceil,
    floor,
)

NOW = datetime(2026, 11, 21, 10, 42, 7, tzinfo=UTC)
FRESH, DEEP = Rung(timedelta(hours=24)), Rung(timedelta(days=7), every=timedelta(hours=1))
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def test_the_first_poll_reads_as_deep_as_the_deepest_rung() -> None:
    due = due_rungs((FRESH, DEEP), {}, NOW)
    assert due == [FRESH, DEEP]
    assert reach(due, NOW, "1h", LONG_AGO) == Range(
        datetime(2026, 11, 14, 11, tzinfo=UTC), datetime(2026, 11, 21, 11, tzinfo=UTC)
    )


def test_a_deep_rung_waits_its_interval_while_the_fresh_one_is_read_at_every_poll() -> None:
    last = {FRESH: NOW, DEEP: NOW}
    assert due_rungs((FRESH, DEEP), last, NOW + timedelta(minutes=5)) == [FRESH]
    assert due_rungs((FRESH, DEEP), last, NOW + timedelta(minutes=60)) == [FRESH, DEEP]


def test_the_range_takes_in_the_open_bucket() -> None:
    whole = reach([FRESH], NOW, "1d", LONG_AGO)
    assert whole is not None
    assert whole.end == datetime(2026, 11, 22, tzinfo=UTC)


def test_no_range_reaches_beyond_the_oldest_moment_wanted() -> None:
    oldest = datetime(2026, 11, 20, tzinfo=UTC)
    whole = reach([DEEP], NOW, "1h", oldest)
    assert whole is not None
    assert whole.start == oldest


def test_nothing_due_reads_nothing() -> None:
    assert reach([], NOW, "1h", LONG_AGO) is None


@pytest.mark.parametrize("width", ["1m", "1h", "1d"])
def test_a_moment_on_the_grid_begins_its_bucket(width: Width) -> None:
    midnight = datetime(2026, 11, 21, tzinfo=UTC)
    assert floor(midnight, WIDTHS[width]) == midnight
    assert ceil(midnight, WIDTHS[width]) == midnight + WIDTHS[width]


@given(
    hours=st.integers(1, 2000),
    densities=st.lists(st.one_of(st.none(), st.floats(0, 1e6)), min_size=1, max_size=5),
)
def test_windows_cover_a_range_once_newest_first_whatever_the_density(
    hours: int, densities: list[float | None]
) -> None:
    whole = Range(NOW.replace(minute=0, second=0) - timedelta(hours=hours), NOW.replace(minute=0, second=0))
    end, turn = whole.end, 0
    while end > whole.start:
        window = newest_window(Range(whole.start, end), "1h", densities[turn % len(densities)])
        assert whole.start <= window.start < window.end == end
        assert (window.end - window.start) / timedelta(hours=1) <= PAGE_MOST["1h"]
        end, turn = window.start, turn + 1


def test_a_window_holds_no_more_rows_than_fit_in_memory() -> None:
    whole = Range(NOW.replace(minute=0, second=0) - timedelta(days=30), NOW.replace(minute=0, second=0))
    window = newest_window(whole, "1h", rows_per_bucket=1000)
    assert (window.end - window.start) / timedelta(hours=1) * 1000 <= WINDOW_ROWS


def test_after_a_quiet_window_the_next_grows_by_no_more_than_its_factor() -> None:
    whole = Range(NOW.replace(minute=0, second=0) - timedelta(days=30), NOW.replace(minute=0, second=0))
    density: float | None = None
    sizes = []
    for _ in range(5):
        window = newest_window(whole, "1h", density)
        sizes.append((window.end - window.start) // WIDTHS["1h"])
        density = next_density(density, 0.0, "1h")
    assert sizes == [6, 24, 96, 168, 168]


def test_a_busy_window_makes_the_next_one_small_at_once() -> None:
    assert next_density(10.0, 1000.0, "1h") == 1000.0
    assert next_density(1000.0, 900.0, "1h") == 900.0


@pytest.mark.parametrize("width", ["1m", "1h", "1d"])
def test_an_age_of_a_whole_page_takes_one_page(width: Width) -> None:
    deepest = Rung(PAGE_MOST[width] * WIDTHS[width])
    whole = reach([deepest], NOW, width, LONG_AGO)
    assert whole is not None
    assert (whole.end - whole.start) // WIDTHS[width] == PAGE_MOST[width]
    assert whole.end > NOW


def test_a_clock_that_was_set_back_does_not_stop_the_polls() -> None:
    """What was read "in the future" has to be read again now, not when the clock has caught up."""
    ahead = NOW + timedelta(days=400)
    always, hourly = Rung(timedelta(hours=3)), Rung(timedelta(days=7), every=timedelta(hours=1))
    assert due_rungs((always, hourly), {always: ahead, hourly: ahead}, NOW) == [always, hourly]


def test_a_deep_rung_is_not_read_twice_at_the_same_moment() -> None:
    assert due_rungs((DEEP,), {DEEP: NOW}, NOW) == []


def test_one_bucket_is_read_at_a_time_where_its_rows_alone_fill_the_memory() -> None:
    end = NOW.replace(minute=0, second=0)
    window = newest_window(Range(end - timedelta(days=30), end), "1h", rows_per_bucket=10.0 * WINDOW_ROWS)
    assert window.end - window.start == WIDTHS["1h"]
