"""Whether a budget's figures count its whole period: only where the usage of it has been read."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from anthropic_metrics.budgets.board import budget_body
from anthropic_metrics.budgets.count import Counter
from anthropic_metrics.budgets.state import BudgetState
from anthropic_metrics.cli.budgets import _notes
from anthropic_metrics.config import BudgetSettings, Config
from anthropic_metrics.kernel.datasets import USAGE, stream_name
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ranges import Range, iso
from tests.harness.memory_questions import MemoryQuestions

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CONFIG = Config(budgets=(BudgetSettings(name="everything", usd=Decimal(500)),))


class Spend(MemoryQuestions):
    """A dollar a day from a first day on, half a one today; or nothing."""

    first: date | None = None

    def spent(self, stream: str, span: Range, by: str, field: str) -> dict[datetime, dict[str, float]]:
        days = (datetime(2026, 10, 1, tzinfo=UTC) + n * timedelta(days=1) for n in range(56))
        held = (day for day in days if self.first is not None and day.date() >= self.first)
        return {
            day: {"billed": 1.0 if day.date() < NOW.date() else 0.5}
            for day in held
            if span.start <= day < span.end
        }


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def counted(ask: Spend, *, usd: int = 500) -> BudgetState:
    config = Config(budgets=(BudgetSettings(name="everything", usd=Decimal(usd)),))
    (state,) = Counter(config, ask, Names("org-1", "Acme", {}, {})).states(NOW)
    return state


def spend(first: date | None, *, usage: date | None = None, read_from: date | None = None) -> Spend:
    ask = Spend()
    ask.first = first
    ask.read_since = midnight(read_from) if read_from else None
    if usage is not None:
        ask.written[stream_name(USAGE, "default")] = [(midnight(usage), NOW)]
    return ask


@pytest.mark.parametrize(
    ("usd", "state"), [(500, "incomplete"), (6, "warning"), (5, "exceeded")], ids=["ok", "near", "above"]
)
def test_a_budget_whose_period_is_not_read_yet_is_incomplete_unless_what_is_read_says_worse(
    usd: int, state: str
) -> None:
    seen = counted(spend(date(2026, 11, 20)), usd=usd)
    assert (str(seen.state), seen.spent) == (state, Decimal("5.5"))
    assert (seen.forecast, seen.runs_out) == (None, None)
    body = budget_body(seen)
    assert (body["state"], body["forecast"], body["runs_out"]) == (state, None, None)


def test_a_budget_of_a_stream_that_holds_nothing_yet_is_incomplete_and_has_no_forecast() -> None:
    seen = counted(spend(None))
    assert (seen.state, seen.forecast) == ("incomplete", None)


@pytest.mark.parametrize(
    ("first", "usage", "read_from", "complete"),
    [
        (date(2026, 11, 20), date(2026, 11, 20), date(2026, 10, 1), True),
        (None, None, date(2026, 10, 1), True),  # nothing was used
        (date(2026, 11, 25), date(2026, 11, 25), date(2026, 10, 1), True),
        (date(2026, 11, 20), date(2026, 11, 12), date(2026, 10, 1), False),  # spend is not computed yet
        (date(2026, 11, 20), date(2026, 11, 20), date(2026, 11, 10), False),
        (date(2026, 11, 20), date(2026, 11, 20), None, False),
    ],
)
def test_an_organization_that_began_within_the_period_is_complete_once_its_usage_has_been_read(
    first: date | None, usage: date | None, read_from: date | None, complete: bool
) -> None:
    seen = counted(spend(first, usage=usage, read_from=read_from))
    assert seen.is_complete is complete
    assert seen.state == ("ok" if complete else "incomplete")


@pytest.mark.parametrize(
    ("first", "complete", "counted_from", "said"),
    [
        (None, False, None, "Nothing is counted yet"),
        (
            date(2026, 11, 20),
            False,
            "2026-11-20",
            "begins on 2026-11-20, so 2026-11 has no earlier days.",
        ),
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
    assert said or not any("ncomplete" in note for note in _notes(CONFIG, states, ""))


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(3, []), (14, ["Usage is read up to 2026-11-25 11:46 UTC, 14m ago: figures end there, and forecasts"])],
)
def test_a_forecast_begins_where_polls_have_read_to_which_is_said_unless_it_is_now(
    minutes: int, said: list[str]
) -> None:
    ask = spend(date(2026, 10, 5))
    ask.read_until = NOW - timedelta(minutes=minutes)
    seen = counted(ask)
    assert budget_body(seen)["read_to"] == iso(ask.read_until)
    ask.read_until = NOW + timedelta(minutes=60)  # the open hour
    at_once = counted(ask)
    assert seen.forecast is not None
    assert at_once.forecast is not None
    assert (at_once.read_to, at_once.forecast.expected < seen.forecast.expected) == (NOW, True)
    notes = [note for note in _notes(CONFIG, [seen], "") if "read up to" in note]
    assert [note[: len(begin)] for note, begin in zip(notes, said, strict=True)] == said


def test_what_only_polls_that_failed_in_part_have_read_is_forecast_by_the_clock() -> None:
    """Nobody knows how far they read; figures of later hours are of them, for every budget alike."""
    ask = spend(date(2026, 10, 5), usage=NOW.date())
    ask.read_until = NOW - timedelta(hours=11)
    assert counted(ask).read_to == ask.read_until
    ask.written[stream_name(USAGE, "default")] += [(NOW - timedelta(hours=1), NOW)]
    assert counted(ask).read_to == NOW
