"""What `costs` says where its figures could be misread: a month that runs, no month before, an empty team."""

from __future__ import annotations

from datetime import UTC, date, datetime

from anthropic_metrics.cli.ledgers import comparison_notes, team_notes
from tests.harness.finance_samples import NOW, OCTOBER, charge, ledger, line


def test_a_running_month_beside_a_whole_one_is_said() -> None:
    during = datetime(2026, 10, 20, tzinfo=UTC)
    (note,) = comparison_notes(OCTOBER, ledger(line("1")), during)
    assert note == "2026-10 is not over; changes compare it with the whole of 2026-10."
    assert list(comparison_notes(OCTOBER, ledger(line("1")), NOW)) == []


def test_a_month_before_without_a_bill_is_said() -> None:
    (note,) = comparison_notes(OCTOBER, ledger(), NOW)
    assert note == "There is no bill for 2026-10, so the whole amount counts as change."
    assert list(comparison_notes(OCTOBER, None, NOW)) == []


def test_a_team_to_which_nothing_belongs_is_told_why() -> None:
    bill = ledger(line("12.345", date(2026, 10, 3)))
    (whole, why) = team_notes("night", [], bill)
    assert whole == "Only what team night pays; the whole bill is $12.34."
    assert "an entry above it matches first" in why
    assert list(team_notes("night", [charge("1")], bill)) == [whole]
    assert list(team_notes(None, [], bill)) == []
