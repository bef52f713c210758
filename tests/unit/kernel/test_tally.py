"""What polls of one stream come to together, and when a poll counts as done."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.tally import Tally, merged

EARLY, LATE = datetime(2026, 11, 20, 9, tzinfo=UTC), datetime(2026, 11, 20, 10, tzinfo=UTC)


def tally(stream: str, pages: int, *ends: datetime) -> Tally:
    made = Tally("usage", stream)
    for _ in range(pages):
        made.page()
    for end in ends:
        made.saw(end)
    return made


def test_polls_of_one_stream_are_added_up_and_those_of_others_are_not() -> None:
    first, second, other = tally("usage", 2, EARLY), tally("usage", 3), tally("cost", 1)
    first.failures.append("The window was cut off.")
    second.notes.append("A range was refused.")
    second.silencing = {"Costs in EUR are in no budget."}
    totals = merged([first, second, other])
    assert {name: total.pages for name, total in totals.items()} == {"usage": 5, "cost": 1}
    usage = totals["usage"]
    assert usage.failures == ["The window was cut off."]
    assert usage.notes == ["A range was refused."]
    assert usage.silencing == {"Costs in EUR are in no budget."}
    assert usage.newest_data == EARLY
    assert totals["cost"].newest_data is None
    assert first.pages == 2


def test_the_newest_bucket_is_the_latest_whatever_the_order() -> None:
    assert tally("usage", 0, LATE, EARLY).newest_data == LATE
    assert merged([tally("usage", 0, LATE), tally("usage", 0, EARLY)])["usage"].newest_data == LATE


def test_a_poll_with_a_failure_or_an_unreadable_row_is_not_done() -> None:
    assert tally("usage", 1).done
    failed, bad = tally("usage", 1), tally("usage", 1)
    failed.failures.append("The window was cut off.")
    bad.bad_rows = 1
    assert not failed.done
    assert not bad.done
    assert failed.unread == "The window was cut off."


def test_what_a_poll_writes_beside_its_stream_counts_there_and_has_to_arrive_too() -> None:
    spend = tally("spend", 1)
    spend.add(Outcome(created=24))
    spend.add(Outcome(created=2, refused=1), "agent")
    spend.add(Outcome(kept=1), "agent")
    assert (spend.created, spend.counts()["created"], spend.changed) == (24, 24, 26)
    assert (spend.missing, spend.done) == (1, False)
    other = tally("agent", 0)
    other.add(Outcome(created=5))
    totals = merged([spend, other])
    assert {name: (total.created, total.kept) for name, total in totals.items()} == {
        "spend": (24, 0),
        "agent": (7, 1),
    }


def test_two_threads_that_count_lose_nothing() -> None:
    counted, usual = tally("usage", 0), sys.getswitchinterval()

    def count() -> None:
        for _ in range(10_000):
            counted.add(Outcome(kept=1, created=1))

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            for _ in range(2):
                pool.submit(count)
    finally:
        sys.setswitchinterval(usual)
    assert (counted.kept, counted.created) == (20_000, 20_000)
