from datetime import UTC, datetime, timedelta

import pytest

from anthropic_metrics.config import Backfill, Config, CostSettings, RetentionSettings, UsageSettings
from anthropic_metrics.kernel.plan import PAGE_MOST
from anthropic_metrics.kernel.ranges import WIDTHS, Range, floor
from anthropic_metrics.reports.views import views
from tests.harness.report_samples import view

NOW = datetime(2026, 11, 21, 10, 42, tzinfo=UTC)
DAY = timedelta(days=1)


def test_hours_and_minutes_and_costs_are_read_by_default_and_days_only_when_asked_for() -> None:
    assert [each.dataset for each in views(Config())] == [
        "anthropic_metrics.cost",
        "anthropic_metrics.usage",
        "anthropic_metrics.usage_1m",
    ]


def test_what_is_switched_off_is_not_read() -> None:
    config = Config(usage=UsageSettings(enabled=False), cost=CostSettings(enabled=False))
    assert views(config) == []


def test_history_reaches_back_to_the_backfill_and_never_beyond_retention() -> None:
    config = Config(
        backfill=Backfill(timedelta(days=300)), retention=RetentionSettings(usage=timedelta(days=100))
    )
    by_dataset = {each.dataset.rpartition(".")[2]: each for each in views(config)}
    assert by_dataset["cost"].history(NOW) == datetime(2026, 1, 25, tzinfo=UTC)
    assert by_dataset["usage"].history(NOW) == datetime(2026, 8, 13, 10, tzinfo=UTC)


def test_a_short_backfill_does_not_end_the_rereading_of_what_was_shipped() -> None:
    by_dataset = {each.dataset.rpartition(".")[2]: each for each in views(Config(backfill=Backfill(DAY)))}
    assert by_dataset["cost"].history(NOW) == datetime(2026, 10, 21, tzinfo=UTC)
    assert by_dataset["usage"].history(NOW) == datetime(2026, 11, 14, tzinfo=UTC)


def test_a_backfill_from_a_day_reads_nothing_older() -> None:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    config = Config(backfill=Backfill(day.date()))
    assert {each.history(NOW) for each in views(config) if each.width != "1m"} == {day}


@pytest.mark.parametrize(
    ("now", "first"),
    [("2026-11-21", "2026-10-01"), ("2026-01-31", "2025-12-01"), ("2026-03-01", "2026-01-29")],
)
def test_the_default_begins_with_the_first_day_of_last_month_and_never_after_what_is_read_again(
    now: str, first: str
) -> None:
    """A total of last month is then whole; on 1 March the costs of 31 days reach back further."""
    cost = next(each for each in views(Config()) if each.poller == "cost")
    assert cost.history(datetime.fromisoformat(f"{now}T10:42Z")) == datetime.fromisoformat(f"{first}T00:00Z")


def test_minutes_go_back_fifteen_days_but_never_beyond_what_their_documents_live() -> None:
    assert view("usage_1m").history(NOW) == NOW.replace(second=0) - timedelta(days=15)
    for kept in ("usage_1m", "headroom"):
        config = Config(retention=RetentionSettings.model_validate({kept: timedelta(days=2)}))
        minutes = next(each for each in views(config) if each.width == "1m")
        assert minutes.history(NOW) == NOW.replace(second=0) - timedelta(days=2)


def test_minutes_reach_only_as_far_back_as_they_are_told_even_in_a_backfill_by_hand() -> None:
    minutes = view("usage_1m", minute_backfill=timedelta(hours=6))
    six_hours_ago = datetime(2026, 11, 21, 4, 42, tzinfo=UTC)
    assert (minutes.history(NOW), minutes.oldest(NOW)) == (six_hours_ago, six_hours_ago)


@pytest.mark.parametrize("dataset", ["usage", "usage_1m", "cost"])
def test_an_older_range_ends_with_the_open_bucket_however_far_it_is_asked_for(dataset: str) -> None:
    asked = view(dataset)
    century = datetime(2100, 1, 1, tzinfo=UTC)
    assert asked.older(Range(NOW - timedelta(hours=3), century), NOW) == Range(
        floor(NOW - timedelta(hours=3), WIDTHS[asked.width]), asked.whole(NOW).end
    )
    assert asked.older(Range(NOW + timedelta(days=2), century), NOW) is None


def test_a_window_is_asked_for_in_one_page_of_whole_buckets() -> None:
    whole = Range(NOW.replace(minute=0) - timedelta(hours=24), NOW.replace(minute=0))
    query = view("usage").query(whole)
    assert (query.start, query.end, query.page_limit) == (whole.start, whole.end, 24)
    longer = Range(whole.end - timedelta(days=30), whole.end)
    assert view("usage").query(longer).page_limit == PAGE_MOST["1h"]


def test_fast_mode_is_asked_for_with_the_header_that_it_needs() -> None:
    query = view("usage", group_by=("model", "speed")).query(Range(NOW, NOW))
    assert query.headers == (("anthropic-beta", "fast-mode-2026-02-01"),)
    assert view("usage").query(Range(NOW, NOW)).headers == ()


@pytest.mark.parametrize(
    ("chosen", "filters"),
    [
        (("wrkspc_1", "wrkspc_2"), (("workspace_ids[]", "wrkspc_1"), ("workspace_ids[]", "wrkspc_2"))),
        # The default workspace has no id to ask for: everything is read and the rows are chosen here.
        (("wrkspc_1", "Default"), ()),
    ],
)
def test_chosen_workspaces_are_asked_for_and_only_their_documents_are_compared(
    chosen: tuple[str, ...], filters: tuple[tuple[str, str], ...]
) -> None:
    usage = view("usage", workspace_ids=chosen)
    assert usage.query(Range(NOW, NOW)).filters == filters
    assert usage.terms == {"anthropic.workspace.id": chosen}
