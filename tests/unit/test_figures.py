"""The organization's figures in /metrics: off by default, absent rather than old, labelled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import generate_latest

from anthropic_metrics.budgets.board import Board
from anthropic_metrics.budgets.period import period_of
from anthropic_metrics.budgets.state import BudgetState
from anthropic_metrics.config import Config
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.figures.poller import FigurePoller
from anthropic_metrics.health import Metrics, combined
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.questions import Row
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from tests.harness.memory_questions import MemoryQuestions
from tests.harness.memory_streams import MemoryStreams

NOW = datetime(2026, 11, 25, 12, 2, tzinfo=UTC)
OUTPUT = "output_tokens_per_minute"


class Streams(MemoryQuestions):
    """Half a day of spend in two bases, and windows of headroom; `away` as long as the cluster is."""

    away = False
    begins: datetime | None = None

    def spent(self, stream: str, span: Range, by: str, field: str) -> dict[datetime, dict[str, float]]:
        assert field == "anthropic.spend.amount_usd"
        today = period_of(NOW, "daily")
        if span == today:
            return {span.start: {"estimated": 10.5, "billed": 2.0}}
        assert span == Range(NOW - timedelta(days=31), NOW)
        return {self.begins or today.start: {"billed": 1.0}}

    def documents(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        fields: Sequence[str],
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[tuple[str, Row]]:
        if self.away:
            raise RetryLater("Reading: no answer in time.")
        yield from (("a", headroom(0.4)), ("b", headroom(0.7)), ("c", headroom(0.2, "Staging")))
        yield "unmapped", {"anthropic": {"headroom": {"group_name": "new", "limit_type": OUTPUT}}}


def headroom(share: float, workspace: str | None = None) -> dict[str, Any]:
    figures = {"group_name": "Opus", "limit_type": OUTPUT, "peak_share": share}
    return {"anthropic": {"headroom": figures, **({"workspace": {"name": workspace}} if workspace else {})}}


def poller(metrics: Metrics, *budgets: BudgetState, counted_at: datetime = NOW) -> FigurePoller:
    board = Board(clock=lambda: NOW)
    board.put(budgets, counted_at)
    names = Names("org-1", "Acme", {}, {})
    return FigurePoller(Config(), lambda _: names, board, metrics.figures, clock=lambda: NOW)


def poll(own: FigurePoller, streams: Streams) -> None:
    job = own.job(Sink(MemoryStreams(), lambda _: None, streams), after="budgets")
    assert job.after == "budgets"
    job.run(Tally("figures", job.stream))


def samples(metrics: Metrics) -> dict[str, dict[tuple[str, ...], float]]:
    found = {family.name: family for family in metrics.figures.collect()}
    return {
        name.removeprefix("anthropic_metrics_"): {
            tuple(sample.labels.values()): sample.value for sample in family.samples
        }
        for name, family in found.items()
    }


@pytest.fixture
def metrics() -> Metrics:
    return Metrics.create()


def test_spend_budgets_and_peaks_are_shown_under_short_labels(metrics: Metrics) -> None:
    budget = BudgetSettings.model_validate({"name": "everything", "usd": 900})
    span = period_of(NOW, "monthly")
    spent = BudgetState(budget, span, NOW, settled=Decimal(100), estimated=Decimal("12.5"))
    week = budget.model_copy(update={"name": "week", "period": "weekly"})
    late = BudgetState(week, period_of(NOW, "weekly"), NOW).partly(NOW.date())
    unknown = BudgetState(budget.model_copy(update={"name": "gone"}), span, NOW, problem="no such workspace")
    poll(poller(metrics, spent, unknown, late), Streams())
    month, week_ = ("everything", "monthly", "usd"), ("week", "weekly", "usd")
    assert samples(metrics) == {
        "spend_today_dollars": {(): 12.5},
        "spend_today_complete": {(): 0},
        "budget_limit": {month: 900, week_: 900},
        "budget_spent": {month: 112.5, week_: 0},
        "budget_complete": {month: 1, week_: 0},
        "limit_peak_ratio": {
            ("(all)", "Opus", OUTPUT): 0.7,
            ("Staging", "Opus", OUTPUT): 0.2,
        },
    }
    assert b"spend_today_dollars 12.5" in generate_latest(metrics.registry)


def test_todays_spend_is_complete_where_the_stream_holds_an_earlier_day(metrics: Metrics) -> None:
    streams = Streams()
    for begins, complete in ((NOW.replace(hour=0, minute=0), 0), (NOW - timedelta(days=3), 1)):
        streams.begins = begins
        poll(poller(metrics), streams)
        assert samples(metrics)["spend_today_complete"] == {(): complete}


def test_budgets_that_were_counted_long_ago_are_absent(metrics: Metrics) -> None:
    budget = BudgetSettings.model_validate({"name": "everything", "usd": 900})
    spent = BudgetState(budget, period_of(NOW, "monthly"), NOW, settled=Decimal(100))
    for minutes, shown in ((15, {("everything", "monthly", "usd"): 100.0}), (16, {})):
        poll(poller(metrics, spent, counted_at=NOW - timedelta(minutes=minutes)), Streams())
        assert samples(metrics)["budget_spent"] == shown


def test_figures_that_cannot_be_read_are_absent(metrics: Metrics) -> None:
    streams = Streams()
    own = poller(metrics)
    poll(own, streams)
    assert samples(metrics)["spend_today_dollars"]
    streams.away = True
    with pytest.raises(RetryLater):
        poll(own, streams)
    assert all(not shown for shown in samples(metrics).values())


def test_figures_of_several_organizations_have_their_labels() -> None:
    several = {"acme": Metrics.create(), "other": Metrics.create(process=False)}
    for metrics in several.values():
        poll(poller(metrics), Streams())
    page = generate_latest(combined({label: each.registry for label, each in several.items()}))
    for label in several:
        assert f'spend_today_dollars{{organization="{label}"}} 12.5'.encode() in page


def test_nothing_is_shown_unless_it_is_asked_for(metrics: Metrics) -> None:
    assert Config().health.figures is False
    assert all(not shown for shown in samples(metrics).values())
