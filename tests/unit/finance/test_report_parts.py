"""The parts of a report: sections of the bill or its shares, days, movers, budgets, the fields of teams."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from anthropic_metrics.finance.grouping import By
from anthropic_metrics.finance.period import Period, between, month, month_of
from anthropic_metrics.finance.report import BudgetLine, Money, daily, movers, posted, sections, team_fields
from anthropic_metrics.spend.money import usd
from tests.harness.finance_samples import NOW, OCTOBER, TEAMS, charge, ledger, line, names

BILL = ledger(line("3", description="A"), line("2", date(2026, 10, 6), "B", workspace="wrkspc_c"))
# The same money by key.
SHARED = replace(BILL, shares=(charge("3", key="apikey_1"), charge("2", "wrkspc_c", key="apikey_2")))
BEFORE = ledger(line("1", description="A"), line("9", description="C", workspace="wrkspc_c"))
MONEY = Money(SHARED, replace(BEFORE, shares=(charge("10", key="apikey_1"),)))


def test_sections_and_movers_are_the_shares_where_usage_was_read_and_lines_are_the_bill_s() -> None:
    found = sections(MONEY, [By(("line",)), By(("key",)), By(("model",))], names())
    assert [[(each.labels[0], each.tokens) for each in section.groups] for section in found] == [
        [("A", 0), ("B", 0), ("C", 0)],
        [("assistant", 1000), ("nightly", 1000)],
        [("claude-opus-5-5", 2000)],
    ]
    assert [section.total.amount for section in found] == [usd("5")] * 3
    assert [section.total.before for section in found] == [usd("10")] * 3
    assert found[0].posted == (usd("3"), usd("2"), usd("0"))
    (billed,) = sections(Money(BILL, BEFORE), [By(("model",))], names())
    assert [(each.labels[0], each.tokens) for each in billed.groups] == [("claude-opus-5-5", 0)]


def test_web_search_has_one_model_in_all_tables_of_a_report() -> None:
    searched = charge("4", key="apikey_1", meter="web_search")
    billed = replace(line("4", description="Web Search Usage"), cost_type="web_search", model=None)
    read = replace(ledger(billed), shares=(searched,))
    money = Money(read, replace(BEFORE, shares=()))

    (by_model,) = sections(money, [By(("model",))], names())
    moved = movers(money, names())

    assert [each.labels[-1] for each in (*by_model.groups, *moved)] == ["claude-opus-5-5"] * 2
    assert read.searches_without_model == usd("4")
    assert BILL.searches_without_model == 0


def test_every_day_that_has_begun_has_its_bill_and_days_without_one_have_nothing() -> None:
    found = dict(daily(BILL, datetime(2026, 10, 7, 12, tzinfo=UTC)))
    assert list(found) == [date(2026, 10, number) for number in range(1, 8)]
    assert [found[date(2026, 10, number)] for number in (5, 6, 7)] == [usd("3"), usd("2"), usd("0")]
    assert len(daily(BILL, NOW)) == 31


def test_what_changed_most_comes_first_and_what_did_not_change_is_no_mover() -> None:
    same = Money(replace(BILL, lines=(*BILL.lines, line("4", workspace="wrkspc_b"))), BEFORE)
    before = replace(BEFORE, lines=(*BEFORE.lines, line("4", workspace="wrkspc_b")))
    found = movers(replace(same, before=before), names())
    assert [(each.labels[0], each.change) for each in found] == [
        ("Lab", usd("-7")),
        ("Prod (wrkspc_a)", usd("2")),
    ]


def test_a_month_that_runs_is_compared_with_as_many_days_as_have_ended_and_are_billed() -> None:
    september = OCTOBER.before
    bill = ledger(line("5", date(2026, 10, 7)), line("1", date(2026, 10, 8)))
    lines = (line("3", date(2026, 9, 7)), line("40", date(2026, 9, 8)))
    before = replace(ledger(*lines), period=september)
    during = datetime(2026, 10, 8, 12, tzinfo=UTC)  # of the day that runs there is hardly a bill
    like = bill.like_days(during)
    assert like == Period(date(2026, 9, 1), date(2026, 9, 8))
    assert ledger().like_days(during) == september.first_days(1)
    assert bill.like_days(NOW) == september

    money = Money(bill, before, like)
    assert [(each.amount, each.before, each.change) for each in movers(money, names())] == [
        (usd("6"), usd("3"), usd("3"))
    ]
    (section,) = sections(money, [By(("workspace",))], names())
    assert section.total.before == usd("3")


def test_a_team_has_the_fields_of_its_first_entry() -> None:
    again = {"team": "night", "workspaces": ("Lab",), "owner": "somebody else"}
    assert team_fields(names(*TEAMS, again)) == {
        "platform": {"cost_centre": "4100"},
        "night": {"owner": "mateo"},
    }


@pytest.mark.parametrize(
    ("line_", "left", "share"),
    [
        (BudgetLine("dollars", usd("10"), usd("2.5")), "7.5", 0.25),
        (BudgetLine("exceeded", usd("10"), usd("12")), "-2", 1.2),
        (BudgetLine("nothing counts", usd("10"), None), None, None),
    ],
)
def test_a_budget_in_dollars_has_what_is_left_and_its_share(
    line_: BudgetLine, left: str | None, share: float | None
) -> None:
    assert line_.left == (None if left is None else usd(left))
    assert (line_.share, line_.left_tokens) == (share, None)


def test_a_budget_in_tokens_has_what_is_left_and_its_share() -> None:
    counted = BudgetLine("tokens", None, None, 100, 25)
    assert (counted.left, counted.left_tokens, counted.share) == (None, 75, 0.25)
    unknown = BudgetLine("tokens", None, None, 100, None)
    assert (unknown.left, unknown.left_tokens, unknown.share) == (None, None, None)


def test_cents_that_rounding_leaves_go_to_the_largest_rests() -> None:
    assert posted([usd("5.001"), usd("1.009"), usd("1.000")]) == [usd("5"), usd("1.01"), usd("1")]


def test_a_month_begins_today_and_ends_at_midnight() -> None:
    first = datetime(2026, 12, 1, tzinfo=UTC)
    assert month("2026-12", first).label == "2026-12"
    assert month("2020-01", first).label == "2020-01"
    assert month_of(date(2026, 11, 30)).is_over(first)
    assert list(month_of(date(2026, 2, 3)).days())[-1] == date(2026, 2, 28)
    assert between(first, first.replace(hour=1), first).label == "2026-12-01 to 2026-12-01"
    assert between(first.replace(day=1, month=11), first.replace(year=2027), first).end == date(2026, 12, 2)
