"""`costs` against the simulated bill over HTTP, without a cluster."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.simulator.analytics import analytics_rows
from tests.harness import readme
from tests.harness.finance_world import NOW, FinanceWorld, finance_world

MONTHS = {"2026-08": (8, 9), "2026-09": (9, 10), "2026-10": (10, 11), "2026-11": (11, 12)}
GROUPINGS = ("workspace", "team", "key", "model", "line", "day", "tag:team", "team,key", "workspace,day")


@pytest.fixture(scope="module")
def w(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinanceWorld]:
    with (
        pytest.MonkeyPatch.context() as patch,
        finance_world(tmp_path_factory.mktemp("finance"), patch) as made,
    ):
        yield made


def first(month: int) -> datetime:
    return datetime(2026, month, 1, tzinfo=UTC)


@pytest.mark.parametrize("month", MONTHS)
def test_the_costs_of_a_month_are_its_bill_to_the_last_digit(w: FinanceWorld, month: str) -> None:
    start, end = map(first, MONTHS[month])

    found = w.json("costs", "--month", month)["costs"]

    bill = w.bill(max(start, w.simulation.first_day), min(end, NOW))
    assert Decimal(found[-1]["usd"]) == bill > 0
    assert sum(Decimal(row["usd"]) for row in found if row["level"] == "group") == bill


def test_every_grouping_has_the_same_total(w: FinanceWorld) -> None:
    options = [part for by in GROUPINGS for part in ("--by", by)]
    found = w.json("costs", "--month", "2026-10", *options)

    tables = [rows for name, rows in found.items() if name.startswith("costs_by_")]
    assert len(tables) == len(GROUPINGS)
    bill = w.bill(first(10), first(11))
    for rows in tables:
        assert Decimal(rows[-1]["usd"]) == bill
        assert sum(Decimal(row["usd"]) for row in rows if row["level"] == "group") == bill
        if any(row["level"] == "subtotal" for row in rows):
            assert sum(Decimal(row["usd"]) for row in rows if row["level"] == "subtotal") == bill


@pytest.mark.parametrize(
    "command",
    [
        "costs --month 2026-10 --by team",
        "costs --month 2026-10 --by team --invoice 34356.79",
        "costs --month 2026-10 --by key,model",
        "report --month this-month -o month.html",
    ],
)
def test_the_readme_shows_what_finance_gets(
    w: FinanceWorld, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = w.run(*command.split())
    assert done.exit_code == 0
    readme.hold(command, done.stdout or done.stderr)


def test_a_model_has_one_figure_or_a_note_says_where_its_web_search_is(w: FinanceWorld) -> None:
    said = "Without keys, web search has no model"
    alone = w.run("costs", "--month", "2026-10", "--by", "model").stdout
    both = w.json("costs", "--month", "2026-10", "--by", "model", "--by", "model,key")

    assert said in alone
    assert not any(said in note for note in both["notes"])
    one, nested = both["costs_by_model"], both["costs_by_model_key"]
    models = {row["model"]: row["usd"] for row in one if row["level"] == "group"}
    assert models == {row["model"]: row["usd"] for row in nested if row["level"] == "subtotal"}
    assert any("`Console` is use without an API key" in note for note in both["notes"])


def test_the_month_before_stands_beside_each_group(w: FinanceWorld) -> None:
    *groups, whole = w.json("costs", "--month", "2026-10", "--by", "team", "--compare")["costs"]

    assert Decimal(whole["before_usd"]) == w.bill(first(9), first(10))
    assert sum(Decimal(row["before_usd"]) for row in groups) == Decimal(whole["before_usd"])
    assert Decimal(whole["change_usd"]) == Decimal(whole["usd"]) - Decimal(whole["before_usd"])


def test_a_month_that_runs_is_compared_with_the_same_days_and_says_so(w: FinanceWorld) -> None:
    said = w.json("costs", "--month", "this-month", "--compare")

    whole = said["costs"][-1]
    assert Decimal(whole["before_usd"]) == w.bill(first(10), datetime(2026, 10, 25, tzinfo=UTC))
    note = "2026-11 is not over; changes compare it with days 1 to 24 of 2026-10."
    assert note in said["notes"]


def test_the_last_two_days_are_said_to_be_unsettled(w: FinanceWorld) -> None:
    found = w.json("costs", "--month", "2026-11", "--by", "day")

    unsettled = {
        row["day"] for row in found["costs"] if Decimal(row["unsettled_usd"]) and row["day"][0] == "2"
    }
    assert unsettled == {"2026-11-23", "2026-11-24"}
    assert any("Not settled: the bill of 2026-11-23 and later" in note for note in found["notes"])
    settled = w.json("costs", "--month", "2026-10")["notes"]
    assert any(note.startswith("Settled: every day of 2026-10") for note in settled)
    assert any("tax, credits and Priority Tier commitments" in note for note in settled)


def test_a_range_of_days_is_asked_like_a_month(w: FinanceWorld) -> None:
    found = w.json("costs", "--since", "2026-10-10", "--until", "2026-10-13")["costs"]

    bill = w.bill(datetime(2026, 10, 10, tzinfo=UTC), datetime(2026, 10, 13, tzinfo=UTC))
    assert Decimal(found[-1]["usd"]) == bill


def test_an_invoice_is_explained_line_by_line(w: FinanceWorld) -> None:
    bill = w.bill(first(10), first(11))

    found = w.json("costs", "--month", "2026-10", "--invoice", f"{bill * Decimal('1.19'):.2f}")

    steps = {step["item"]: step for step in found["invoice"]}
    assert Decimal(steps["Bill of the Admin API"]["usd"]) == bill
    assert steps["Tax"]["fits"] is True
    assert {row["line"] for row in found["costs"]} > {"Code Execution Usage", "Total"}


def test_the_last_line_about_an_invoice_is_the_verdict_that_the_readme_quotes(w: FinanceWorld) -> None:
    done = w.run("costs", "--month", "2026-10", "--by", "team", "--invoice", "34356.79")

    verdict = done.stdout.splitlines()[-1]
    assert verdict.startswith("Does not match: ")
    assert f"`{verdict}`" in " ".join(readme.PAGE.read_text("utf-8").split())


def test_one_team_has_its_own_costs_beside_the_whole(w: FinanceWorld) -> None:
    whole = w.json("costs", "--month", "2026-10", "--by", "team")["costs"]
    one = w.json("costs", "--month", "2026-10", "--by", "key", "--team", "nightly")

    assert [row["key"] for row in one["costs"]] == ["nightly-batch", "Total"]
    assert {row["team"]: row["usd"] for row in whole}["nightly"] == one["costs"][-1]["usd"]


def test_by_person_adds_up_to_the_bill_and_shows_nobody_s_name(w: FinanceWorld) -> None:
    day = ("--since", "2026-10-10", "--until", "2026-10-12")

    found = w.json("costs", *day, "--by", "person", "--by", "person,workspace", "--by", "team,person")

    bill = w.bill(datetime(2026, 10, 10, tzinfo=UTC), datetime(2026, 10, 12, tzinfo=UTC))
    tables = [rows for name, rows in found.items() if name.startswith("costs_by_")]
    assert len(tables) == 3
    for rows in tables:
        assert Decimal(rows[-1]["usd"]) == bill
        assert sum(Decimal(row["usd"]) for row in rows if row["level"] == "group") == bill
    people = {row["person"]: Decimal(row["usd"]) for row in tables[0][:-1]}
    key = w.simulation.organization().key("nightly-batch").id
    truth = analytics_rows(
        w.simulation,
        "cost",
        datetime(2026, 10, 10, tzinfo=UTC),
        datetime(2026, 10, 12, tzinfo=UTC),
        "1d",
        ("actor",),
    )
    cents = (
        Decimal(row["cost"]["amount"])
        for row in truth
        if (row["group"]["actor"] or {}).get("api_key_id") == key
    )
    assert people["nightly-batch"] == sum(cents) / 100 > 0
    assert any(person.startswith("person_") for person in people)
    assert "user_" not in repr(found)
    assert ".example" not in repr(found)


def test_csv_is_one_table_that_a_strict_parser_takes(w: FinanceWorld) -> None:
    result = w.run("costs", "--month", "2026-10", "--by", "workspace,model", "--format", "csv")

    rows = list(csv.DictReader(io.StringIO(result.stdout), strict=True))
    groups = [row for row in rows if row["level"] == "group"]
    assert sum(Decimal(row["usd"]) for row in groups) == w.bill(first(10), first(11))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--month", "2026-12"), "--month: 2026-12 has not begun; today is 2026-11-25"),
        (("--month", "2026-05"), "There is no bill for 2026-05: it lies before the organization's history"),
        (("--team", "reserch"), "--team: the configuration has no such team; did you mean research?"),
        (("--invoice", "0"), "--invoice: must be above zero"),
        (("--invoice", "5", "--team", "research"), "--invoice and --team exclude each other"),
        (("--by", "person,line"), "a line of the bill names no person; repeat --by for two tables"),
        (("--until", "2026-10-03"), "--until: needs --since, the first day"),
        (("--month", "2026-10", "--since", "7d"), "--month and --since or --until exclude each other"),
    ],
)
def test_a_question_that_has_no_answer_is_refused_in_one_sentence(
    w: FinanceWorld, arguments: tuple[str, ...], said: str
) -> None:
    assert said in w.refused("costs", *arguments)
    assert isinstance(w.run("costs", *arguments).exception, ConfigError)


def test_rows_that_cannot_be_read_make_the_figures_incomplete_and_the_exit_code_1(
    w: FinanceWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anthropic_metrics.simulator.costs.decimal_text", lambda amount: "much")

    result = w.run("costs", "--month", "2026-09")

    assert "could not be read" in result.output
    assert result.exit_code == 1
