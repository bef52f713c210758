"""What a report's files promise whatever the organization is called."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest
from jsonschema import Draft202012Validator

from anthropic_metrics.errors import ConfigError, RetryLater
from anthropic_metrics.finance.grouping import By, Group
from anthropic_metrics.finance.page import html_page
from anthropic_metrics.finance.report import (
    BudgetLine,
    Kind,
    LastReport,
    Report,
    Section,
    posted,
    posted_groups,
)
from anthropic_metrics.finance.report_schema import COLUMNS, report_schema
from anthropic_metrics.finance.save import check_target, save
from anthropic_metrics.finance.sheets import sheets
from anthropic_metrics.finance.text_files import csv_text, field_text, json_text
from anthropic_metrics.finance.workbook import workbook
from anthropic_metrics.forecast.model import Forecast
from anthropic_metrics.spend.money import total, usd
from tests.harness.finance_samples import NOW, OCTOBER

EVIL = '=HYPERLINK("http://x","<script>alert(1)</script>")'


def made(label: str = EVIL) -> Report:
    each = Group((label,), usd("12.345"), before=usd("1"))
    section = Section(By(("workspace",)), (each,), (usd("12.35"),))
    return Report(
        Kind.showback, OCTOBER, label, "id", NOW, replace(each, labels=()), frozenset(), (), (section,), ()
    )


SEEN = Forecast(812.3456, 700.5, 910.25, 60)
FORESEEN = replace(
    made("Acme"),
    forecast=SEEN,
    budgets=(
        BudgetLine("everything", usd("800"), usd("512.5"), forecast=SEEN, runs_out=date(2026, 10, 30)),
        BudgetLine("batch", None, None, 1_000, 250, forecast=Forecast(600.4, 500.5, 23_400_000, 60)),
        BudgetLine("gone", usd("5"), None, state="unknown", reason="there is no workspace Nowhere"),
        BudgetLine("above", usd("5"), usd("6.001"), forecast=SEEN, state="exceeded"),
        BudgetLine("within", usd("5000"), usd("6"), forecast=SEEN),
    ),
)


def test_a_forecast_its_band_and_the_budgets_are_in_csv_and_json_with_their_units() -> None:
    rows = list(csv.DictReader(io.StringIO(csv_text(FORESEEN), newline=""), strict=True))
    tables = {table["title"]: table["rows"] for table in json.loads(json_text(FORESEEN))["tables"]}

    band = {"forecast_usd": "812.35", "forecast_low_usd": "700.50", "forecast_high_usd": "910.25"}
    budget, gone, above, within, token = (row for row in rows if row["level"] == "budget")
    for found in (rows[-6], tables["Forecast"][0], budget, tables["Budgets"][0]):
        assert {name: found[name] for name in band} == band
    assert (budget["left_usd"], budget["runs_out"]) == ("287.5", "2026-10-30")
    assert (gone["budget_usd"], gone["spent_usd"], gone["left_usd"], gone["share"]) == ("5", "", "", "")
    assert [tables["Budgets"][1][name] for name in ("spent_usd", "left_usd", "share")] == [None] * 3
    states = [row["state"] for row in (budget, gone, above, within)]
    assert states == ["ok", "unknown", "exceeded", "ok"] == [row["state"] for row in tables["Budgets"]]
    assert {row["runs_out"] for row in (gone, above, within)} == {""}
    assert [row["runs_out"] for row in tables["Budgets"][1:]] == [None, None, None]
    assert (token["left_tokens"], token["share"], token["forecast_high_tokens"]) == (
        "750",
        "0.25",
        "23400000",
    )
    assert tables["Token budgets"][0]["forecast_tokens"] == 600
    assert not any(row["usd"] for row in rows if row["level"] in {"budget", "forecast"})


def test_a_forecast_and_its_band_are_in_the_workbook_and_on_the_page() -> None:
    book = openpyxl.load_workbook(io.BytesIO(workbook(FORESEEN)))
    page = html_page(FORESEEN)

    summary = {row[0]: row[1] for row in book["Summary"].iter_rows(values_only=True)}
    assert [summary[name] for name in ("Expected by 2026-10-31", "80 % band from", "80 % band to")] == [
        pytest.approx(amount) for amount in (SEEN.expected, SEEN.low, SEEN.high)
    ]
    budgets = dict(zip(*book["Budgets"].iter_rows(max_row=2, values_only=True), strict=True))
    assert (budgets["Budget"], budgets["Limit"]) == ("everything", 800)
    assert budgets["Runs out"] == datetime(2026, 10, 30)  # noqa: DTZ001 # dates of a workbook have no zone
    assert (budgets["Forecast"], budgets["80 % from"], budgets["80 % to"]) == (812.35, 700.5, 910.25)
    assert book["Token budgets"]["G2"].value == 600
    unknown = "unknown: there is no workspace Nowhere"
    assert [cell.value for cell in book["Budgets"][3]][:6] == ["gone", unknown, 5, "-", "-", "-"]
    assert ">unknown:" in page
    assert page.count('<td class="number">-</td>') == 3
    for shown in (
        "Expected by 2026-10-31",
        "$812.35",
        "$700 to $910",
        "2026-10-30",
        "<dt>Change expected by 2026-10-31</dt>",
    ):
        assert shown in page
    assert "+81,134.6 %" in page  # of the forecast against the dollar of the month before
    assert ">23 M</td>" in page


def test_a_bar_of_more_than_the_whole_has_a_mark_where_the_whole_ends() -> None:
    def bars(share: str) -> list[str]:
        line = BudgetLine("one", usd("100"), usd(share))
        return re.findall('<span class="bar.*?</span>', html_page(replace(made("Acme"), budgets=(line,))))

    within, over, far = (bars(share)[-1] for share in ("42.4", "114", "1369"))
    assert 'style="width:42.4%"' in within
    assert ["over" in bar for bar in (within, over, far)] == [False, True, True]
    assert '<b style="left:87.7%">' in over
    assert '<b style="left:7.3%">' in far


def test_days_before_that_cost_nothing_are_not_taken_for_a_month_that_is_not_there() -> None:
    without = replace(FORESEEN, total=replace(FORESEEN.total, before=usd("0")), whole_before=usd("800"))
    tiles = dict(re.findall("<dt>([^<]*)</dt><dd>([^<]*)</dd>", html_page(without)))
    assert tiles["Change"] == "nothing to compare with"
    assert tiles["Change expected by 2026-10-31"] == "+1.5 %"


def test_a_month_that_runs_has_one_basis_of_its_changes_in_every_format() -> None:
    running = replace(
        FORESEEN,
        made_at=datetime(2026, 10, 20, tzinfo=UTC),
        compared=OCTOBER.before.first_days(18),
        whole_before=usd("800"),
    )
    label = "days 1 to 18 of 2026-09"

    book = openpyxl.load_workbook(io.BytesIO(workbook(running)))
    summary = {row[0]: row[1] for row in book["Summary"].iter_rows(values_only=True)}
    page, body = html_page(running), json.loads(json_text(running))
    tiles = dict(re.findall("<dt>([^<]*)</dt><dd>([^<]*)</dd>", page))
    figures = {
        f"Before ({label})": (1, "$1.00"),
        "Change": (11.345, "+1,134.5 %"),
        "Whole 2026-09": (800, "$800.00"),
        "Change expected by 2026-10-31": (812.3456 / 800 - 1, "+1.5 %"),
    }
    assert [summary[name] for name in figures] == [pytest.approx(value) for value, _ in figures.values()]
    assert [tiles[name] for name in figures] == [text for _, text in figures.values()]
    assert summary["Currency"] == "US dollars"
    assert summary["Change, US dollars"] == pytest.approx(11.345)
    assert page.count(f"Before and Change: {label}.") == 1
    assert {"Before", "Change"} <= {cell.value for cell in book["By workspace"][1]}
    assert body["compared_with"] == {"label": label, "start": "2026-09-01", "end": "2026-09-19"}
    assert "Before and Change" not in html_page(FORESEEN)
    assert "Before (2026-09)" in html_page(FORESEEN)


def test_where_no_day_is_named_the_page_and_the_workbook_say_exceeded_or_not_this_month() -> None:
    ends = re.findall(r">([^<]*)</td></tr>$", html_page(FORESEEN), re.MULTILINE)
    rows = list(
        openpyxl.load_workbook(io.BytesIO(workbook(FORESEEN)))["Budgets"].iter_rows(2, values_only=True)
    )

    said = ["no forecast", "exceeded", "not this month"]
    assert [end for end in ends if end in said or end == "2026-10-30"][:4] == ["2026-10-30", *said]
    assert [row[-1] for row in rows[1:]] == said


def test_a_month_that_is_over_has_no_column_of_a_forecast() -> None:
    over = replace(FORESEEN, forecast=None)

    assert not any("forecast" in text for text in (csv_text(over), json_text(over)))
    assert "Expected" not in html_page(over)


def test_a_name_that_is_a_formula_is_none_in_csv() -> None:
    rows = list(csv.reader(io.StringIO(csv_text(made()), newline=""), strict=True))

    assert rows[1][4] == "'" + EVIL
    assert len({len(row) for row in rows}) == 1


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@a", "\t=1", "\r=1"])
def test_every_beginning_of_a_formula_is_escaped_and_no_number_is(text: str) -> None:
    assert field_text(text) == "'" + text
    assert field_text(Decimal("-0.0000001")) == "-0.0000001"


def test_a_name_that_is_a_formula_is_a_text_in_the_workbook() -> None:
    page = openpyxl.load_workbook(io.BytesIO(workbook(made())))["By workspace"]

    assert (page["A2"].value, page["A2"].data_type) == (EVIL, "s")


def test_a_name_that_is_markup_is_shown_literally_on_the_page() -> None:
    assert "<script" not in html_page(made())


def test_cents_to_post_add_up_to_the_rounded_total() -> None:
    amounts = [usd("0.333"), usd("0.333"), usd("0.334"), usd("-0.005"), usd("0")]

    found = posted(amounts)

    assert total(found) == round(total(amounts), 2) == Decimal("1.00")
    assert all(abs(one - other) < Decimal("0.01") for one, other in zip(amounts, found, strict=True))


def test_groups_are_posted_so_that_they_add_up_to_what_is_posted_for_the_outer_one() -> None:
    amounts = {("a", "1"): "0.002", ("b", "1"): "0.004", ("a", "2"): "0.002", ("c", "1"): "5.004"}
    groups = [Group(labels, usd(amount)) for labels, amount in amounts.items()]

    found = dict(zip(amounts, posted_groups(groups), strict=True))

    outer = posted([usd("0.004"), usd("0.004"), usd("5.004")])
    assert found["a", "1"] + found["a", "2"] == outer[0]
    assert [found["b", "1"], found["c", "1"]] == outer[1:]
    assert sum(found.values()) == Decimal("5.01")


def test_sheets_whose_names_excel_would_refuse_are_renamed() -> None:
    section = made().sections[0]
    long = replace(section, by=By(("tag:cost/centre [old]:of the whole company",)))
    other = replace(section, by=By(("tag:cost/centre [old]:of the whole division",)))

    names = openpyxl.load_workbook(io.BytesIO(workbook(replace(made(), sections=(long, other))))).sheetnames

    assert names[1:3] == ["By tag cost centre  old  of the", "By tag cost centre  old  of t 2"]


def test_a_month_without_days_or_rows_makes_a_page() -> None:
    assert "Nothing changed" in html_page(replace(made(), sections=(), days=((date(2026, 10, 1), usd("0")),)))


def test_a_file_that_breaks_off_leaves_the_old_one_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "october.csv"
    target.write_bytes(b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RetryLater, match="cannot be written: No space left on device"):
        save(target, b"new", overwrite=True)

    assert [each.name for each in tmp_path.iterdir()] == ["october.csv"]
    assert target.read_bytes() == b"old"


def test_a_folder_that_is_closed_to_us_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    with pytest.raises(ConfigError, match="lies in a folder that cannot be written to"):
        save(tmp_path / "october.csv", b"new", overwrite=False)


@pytest.mark.parametrize("name", ["october", "reports/october", "../nowhere/october.html", "october report"])
def test_a_message_about_the_output_names_its_path_as_it_was_given(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "/" not in name:
        Path(name).write_bytes(b"old")
    with pytest.raises(ConfigError) as caught:
        check_target(Path(name), overwrite=False)
    assert f"--output: {name} " in str(caught.value)


def test_every_column_of_a_report_is_in_its_schema_with_its_kind() -> None:
    quota, chargeback = (replace(FORESEEN, kind=kind) for kind in (Kind.quota, Kind.chargeback))
    told = replace(
        chargeback, corrections=(), last=LastReport(NOW, usd("1")), open_days=frozenset({date(2026, 10, 31)})
    )
    for report in (FORESEEN, quota, told, made()):
        Draft202012Validator(report_schema()).validate(json.loads(json_text(report)))
        for sheet in sheets(report):
            assert {column.name: column.kind for column in sheet.columns} == {
                column.name: COLUMNS[column.name] for column in sheet.columns
            }


def test_a_name_that_no_file_can_have_is_a_message_and_no_traceback(tmp_path: Path) -> None:
    long = tmp_path / ("x" * 300 + ".html")
    with pytest.raises(ConfigError, match="cannot be written: File name too long"):
        check_target(long, overwrite=False)
