"""Whether a budget's figures count its whole period: never where the stream holds nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from anthropic_metrics.budgets.board import budget_body
from anthropic_metrics.budgets.count import Counter
from anthropic_metrics.cli.budgets import _notes
from anthropic_metrics.config import BudgetSettings, Config
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ranges import Range
from tests.harness.memory_questions import MemoryQuestions

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CONFIG = Config(budgets=(BudgetSettings(name="everything", usd=Decimal(500)),))


class Spend(MemoryQuestions):
    """A dollar a day from a first day on, or nothing."""

    first: date | None = None

    def amounts(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        width: timedelta,
        by: str,
        field: str,
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[datetime, dict[str, float]]:
        days = (datetime(2026, 10, 1, tzinfo=UTC) + n * timedelta(days=1) for n in range(90))
        held = (day for day in days if self.first is not None and day.date() >= self.first)
        return {day: {"billed": 1.0} for day in held if span.start <= day < span.end}


@pytest.mark.parametrize(
    ("first", "complete", "counted_from", "said"),
    [
        (None, False, None, "The stream holds nothing of the last month"),
        (date(2026, 11, 20), False, "2026-11-20", "The stream begins on 2026-11-20"),
        (date(2026, 10, 5), True, None, ""),
    ],
)
def test_a_budget_says_whether_its_period_is_counted_from_its_start(
    first: date | None, complete: bool, counted_from: str | None, said: str
) -> None:
    ask = Spend()
    ask.first = first
    (state,) = states = Counter(CONFIG, ask, Names("org-1", "Acme", {}, {})).states(NOW)
    body = budget_body(state)
    assert (body["complete"], body["counted_from"]) == (complete, counted_from)
    assert said in (next(_notes(CONFIG, states, ""), "") if said else "")
    assert said or not any("stream" in note for note in _notes(CONFIG, states, ""))
