"""How much of a long history one live pass computes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from anthropic_metrics.config import Backfill, Config
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.questions import State
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.views import usage_view
from anthropic_metrics.spend.poller import LIVE_DAYS, SpendPoller

NOW = datetime(2026, 11, 20, 7, 2, tzinfo=UTC)
DAY = timedelta(days=1)
HISTORY = 16


class OneHourADay:
    """Questions to streams that hold usage in the first hour of each day, and nothing else."""

    def states(self, stream: str, _organization: str, span: Range, _width: timedelta, **_: Any) -> Any:
        if "usage" not in stream:
            return {}
        days = (span.end - span.start) // DAY
        return {span.start + number * DAY: State(1, 10, 10) for number in range(days)}

    def refresh(self, *_streams: str) -> None: ...

    def windows(self, *_: Any, **__: Any) -> set[datetime]:
        return set()

    def documents(self, *_: Any, **__: Any) -> Sequence[Any]:
        return ()


class Written:
    """A store that notes the ranges it is given."""

    def __init__(self) -> None:
        self.ranges: list[Range] = []

    def reconcile(self, _stream: str, window: Range, *_: Any, **__: Any) -> Outcome:
        self.ranges.append(window)
        return Outcome()


class Known:
    def names(self, _now: datetime, **_: Any) -> Names:
        return Names.of("org-1", "Example", [], [])


def test_a_live_pass_computes_the_newest_days_and_leaves_the_others_to_the_next() -> None:
    config = Config(backfill=Backfill(HISTORY * DAY))
    hours = usage_view(config, "1h")
    assert hours is not None
    poller = SpendPoller(config, hours, cast("Inventory", Known()), clock=lambda: NOW)
    store = Written()
    sink = Sink(cast("Any", store), lambda _: None, cast("Any", OneHourADay()))
    whole = Range(NOW.replace(hour=0, minute=0) - HISTORY * DAY, NOW)

    passes = []
    for _ in range(3):
        store.ranges = []
        poller.keep(whole, sink, Tally("spend", poller.stream))
        passes.append([window.start for window in store.ranges])

    today = NOW.replace(hour=0, minute=0)
    assert passes[0] == [today - number * DAY for number in range(LIVE_DAYS)]
    assert passes[1] == [today - number * DAY for number in range(LIVE_DAYS, HISTORY + 1)]
    assert passes[2] == []


def test_a_pass_over_everything_computes_all_of_it() -> None:
    config = Config(backfill=Backfill(HISTORY * DAY))
    hours = usage_view(config, "1h")
    assert hours is not None
    poller = SpendPoller(config, hours, cast("Inventory", Known()), clock=lambda: NOW)
    store = Written()
    sink = Sink(cast("Any", store), lambda _: None, cast("Any", OneHourADay()))

    poller.keep_all(Range(NOW.replace(hour=0, minute=0) - HISTORY * DAY, NOW), sink, Tally("spend", "s"))

    assert len(store.ranges) == HISTORY + 1
