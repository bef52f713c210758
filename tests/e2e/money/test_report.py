"""`report` in every format, each file opened by what reads such files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import openpyxl
import pytest

from tests.browser.chromium import find
from tests.browser.devtools import Window
from tests.harness.finance_world import FinanceWorld, finance_world
from tests.harness.focus_validator import CANNOT_PASS, violations

OCTOBER = ("report", "--month", "2026-10")
BY = ("--by", "team,workspace", "--by", "team", "--by", "key")


@pytest.fixture(scope="module")
def w(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FinanceWorld]:
    with (
        pytest.MonkeyPatch.context() as patch,
        finance_world(tmp_path_factory.mktemp("finance"), patch) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def bill(w: FinanceWorld) -> Decimal:
    return w.bill(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC))


def written(w: FinanceWorld, path: Path, *arguments: str) -> Path:
    result = w.run(*OCTOBER, "-o", str(path), *arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    return path


def test_csv_is_strict_exact_and_begins_with_a_mark_only_if_asked(
    w: FinanceWorld, bill: Decimal, tmp_path: Path
) -> None:
    plain = written(w, tmp_path / "october.csv", *BY, "--kind", "chargeback").read_bytes()
    marked = written(w, tmp_path / "october.csv", "--bom", "--overwrite").read_bytes()

    assert (plain[:6], marked[:9]) == (b"period", b"\xef\xbb\xbfperiod")
    assert plain.count(b"\n") == plain.count(b"\r\n")
    rows = list(csv.DictReader(io.StringIO(plain.decode(), newline=""), strict=True))
    for grouping in ("team, workspace", "team", "key"):
        own = [row for row in rows if row["grouping"] == grouping]
        groups = [row for row in own if row["level"] == "group"]
        assert sum(Decimal(row["usd"]) for row in groups) == bill == Decimal(own[-1]["usd"])
        posted = sum(Decimal(row["posted_usd"]) for row in groups)
        assert posted == Decimal(own[-1]["posted_usd"]) == round(bill, 2)
    assert {row["cost_centre"] for row in rows if row["team"] == "platform"} == {"4100"}
    assert not any("E" in row["usd"].upper() for row in rows)


def test_the_workbook_has_numbers_dates_a_frozen_head_and_a_sheet_for_each_grouping(
    w: FinanceWorld, bill: Decimal, tmp_path: Path
) -> None:
    book = openpyxl.load_workbook(written(w, tmp_path / "october.xlsx", *BY))

    assert book.sheetnames == [
        "Summary",
        "By team, workspace",
        "By team",
        "By key",
        "Budgets",
        "Token budgets",
        "Movers",
        "Days",
    ]
    for name in ("By team, workspace", "By team", "By key"):
        page = book[name]
        head = [cell.value for cell in page[1]]
        amounts = [row[head.index("US dollars")] for row in page.iter_rows(min_row=2, values_only=True)]
        assert all(isinstance(amount, int | float) for amount in amounts)
        assert amounts[-1] == pytest.approx(float(bill))
        assert page.freeze_panes == ("C2" if "," in name else "B2")
    days = list(book["Days"].iter_rows(min_row=2, values_only=True))
    assert days[0][0] == datetime(2026, 10, 1)  # noqa: DTZ001 # dates of a workbook have no zone
    assert len(days) == 31
    assert sum(day[1] for day in days) == pytest.approx(float(bill))


def test_json_has_the_whole_report_with_exact_amounts(w: FinanceWorld, bill: Decimal, tmp_path: Path) -> None:
    body = json.loads(written(w, tmp_path / "october.json", "--kind", "quota").read_text("utf-8"))

    assert (Decimal(body["usd"]), body["settled"]) == (bill, True)
    tables = {table["title"]: table["rows"] for table in body["tables"]}
    assert {"Budgets", "Token budgets", "By team", "By model", "Movers", "Days"} == set(tables)
    assert sum(Decimal(day["usd"]) for day in tables["Days"]) == bill
    truth = w.simulation.usage_rows(
        datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC), "1d"
    )
    tokens = sum(
        row["uncached_input_tokens"]
        + row["cache_read_input_tokens"]
        + sum(row["cache_creation"].values())
        + row["output_tokens"]
        for row in truth
    )
    assert tables["By team"][-1]["tokens"] == tables["By model"][-1]["tokens"] == tokens


def test_the_budgets_of_a_month_stand_against_what_the_groupings_say(
    w: FinanceWorld, bill: Decimal, tmp_path: Path
) -> None:
    body = json.loads(
        written(w, tmp_path / "october.json", "--by", "team", "--by", "key", "--kind", "quota").read_text()
    )

    tables = {table["title"]: table["rows"] for table in body["tables"]}
    budgets = {row["budget"].split()[0]: row for row in (*tables["Budgets"], *tables["Token budgets"])}
    team = next(row for row in tables["By team"] if row["team"] == "platform")
    key = next(row for row in tables["By key"] if row["key"] == "nightly-batch")
    assert Decimal(budgets["everything"]["spent_usd"]) == bill
    assert budgets["platform"]["spent_usd"] == team["usd"]
    assert Decimal(budgets["platform"]["left_usd"]) == Decimal("0.01") - Decimal(team["usd"])
    assert (budgets["night"]["used_tokens"], budgets["night"]["budget_tokens"]) == (key["tokens"], 1_000)
    assert (budgets["gone"]["spent_usd"], budgets["gone"]["share"]) == (None, None)
    states = {name: row["state"] for name, row in budgets.items()}
    assert states == states | {"everything": "ok", "platform": "exceeded", "night": "exceeded"}
    assert states["gone"] == "unknown"
    caps = {row["budget"]: row for row in tables["Budgets"] if row["budget"].startswith("limit: ")}
    assert Decimal(caps["limit: organization"]["spent_usd"]) == bill
    assert any("are the Console's spend limits of today" in note for note in body["notes"])
    assert any("there is no workspace Nowhere" in note for note in body["notes"])
    assert any("Daily and weekly budgets (1) are not in a month's report" in note for note in body["notes"])


def test_a_month_that_runs_has_a_forecast_with_a_band_that_its_budgets_share(
    w: FinanceWorld, tmp_path: Path
) -> None:
    result = w.run("report", "--month", "this-month", "-o", str(tmp_path / "november.json"))

    assert result.exit_code == 0, (result.output, result.exception)
    body = json.loads((tmp_path / "november.json").read_text())
    tables = {table["title"]: table["rows"] for table in body["tables"]}
    (whole,) = tables["Forecast"]
    low, middle, high = (
        Decimal(whole[name]) for name in ("forecast_low_usd", "forecast_usd", "forecast_high_usd")
    )
    like = w.bill(datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC))
    assert body["compared_with"]["label"] == "days 1 to 24 of 2026-10"
    totals = [rows[-1]["before_usd"] for title, rows in tables.items() if title.startswith("By ")]
    assert {Decimal(amount) for amount in (body["before_usd"], *totals)} == {like}
    assert Decimal(whole["so_far_usd"]) == Decimal(body["usd"]) < low < middle < high
    everything = next(row for row in tables["Budgets"] if row["budget"].startswith("everything"))
    assert everything["forecast_usd"] == whole["forecast_usd"]
    assert {row["runs_out"] for row in tables["Budgets"] if row["state"] != "unknown"} == {None}
    said = f"Expected ${middle:,} (${low:,} to ${high:,}). Budgets: 2 exceeded (night "
    assert said in result.stderr
    platform = next(row for row in tables["Budgets"] if row["budget"].startswith("platform"))
    end = f"ends at {Decimal(platform['forecast_usd']):,}), 1 unknown (gone), "
    assert f"; platform {round(Decimal(platform['spent_usd']), 2):,} of 0.01, {end}" in result.stderr
    assert result.stderr.count("there is no workspace Nowhere") == 1
    assert "Daily and weekly budgets (1) are not in a month's report" in result.stderr
    assert tables["Token budgets"][0]["forecast_tokens"] > tables["Token budgets"][0]["used_tokens"]


@pytest.mark.parametrize("width", [1440, 390])
def test_the_page_fits_its_window_and_fetches_nothing(
    w: FinanceWorld, tmp_path: Path, machine_environ: dict[str, str], width: int
) -> None:
    page = written(w, tmp_path / "october.html", "--by", "team,key", "--by", "team", "--kind", "chargeback")

    text = page.read_text("utf-8")
    assert not any(word in text for word in ("<script", "http://", "https://", "url(", "@import"))
    with Window(find(machine_environ)) as window:
        window.open(page, width, "light")
        assert window.ask("document.documentElement.scrollWidth <= innerWidth")
        assert window.ask("document.querySelectorAll('figure rect').length") == 31
        said = window.ask("getComputedStyle(document.querySelector('figcaption .narrow')).display != 'none'")
        scrolls = "(chart => chart.scrollWidth > chart.clientWidth)(document.querySelector('figure .scroll'))"
        assert said == window.ask(scrolls) == (width == 390)
        hint = "(s => !!s && getComputedStyle(s).display != 'none')(t.parentNode.querySelector('.narrow'))"
        tables = "[...document.querySelectorAll('section .scroll')]"
        hinted = window.ask(f"{tables}.map(t => [t.scrollWidth > t.clientWidth, {hint}])")
        assert hinted == [[width == 390] * 2] * len(hinted)
        heads = window.ask("[...document.querySelectorAll('thead')].map(head => head.offsetHeight)")
        assert max(heads) < 40
        assert window.errors == []


def test_no_table_is_wider_than_a_printed_page_and_a_row_is_never_cut(
    w: FinanceWorld, tmp_path: Path, machine_environ: dict[str, str]
) -> None:
    page = written(w, tmp_path / "october.html", "--by", "team,key", "--kind", "chargeback")
    running = tmp_path / "november.html"  # its budgets have forecasts
    assert w.run("report", "--month", "this-month", "-o", str(running)).exit_code == 0

    with Window(find(machine_environ)) as window:
        for each in (running, page):
            window.open(each, 703, "light")  # A4 less its margins, 96 to the inch
            window.call("Emulation.setEmulatedMedia", media="print")
            widths = window.ask("[...document.querySelectorAll('table')].map(t => t.scrollWidth)")
            assert max(widths) <= 703, each.name
        style = "getComputedStyle(document.querySelector({}))"
        assert window.ask(style.format("'tbody tr'") + ".breakInside") == "avoid"
        assert window.ask(style.format("'thead'") + ".display") == "table-header-group"
        assert window.ask(style.format("'figure'") + ".breakInside") == "avoid"


@pytest.mark.timeout(900)  # the first time it fetches the validator
def test_the_focus_file_passes_the_official_validator_and_adds_up(
    w: FinanceWorld, bill: Decimal, tmp_path: Path, machine_environ: dict[str, str]
) -> None:
    file = written(w, tmp_path / "october.csv", "--format", "focus")

    rows = list(csv.DictReader(io.StringIO(file.read_bytes().decode(), newline=""), strict=True))
    assert sum(Decimal(row["BilledCost"]) for row in rows) == bill
    for row in rows:
        _check_what_the_validator_does_not(row)
    details: dict[str, str] = {}
    for row in rows:
        assert details.setdefault(row["SkuPriceId"], row["SkuPriceDetails"]) == row["SkuPriceDetails"]
    broken, checked = violations(file, machine_environ)
    assert broken == CANNOT_PASS
    assert checked == 242


def _check_what_the_validator_does_not(row: dict[str, str]) -> None:
    moments = {
        name: datetime.strptime(row[name], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        for name in row
        if name.startswith(("BillingPeriod", "ChargePeriod"))
    }
    assert moments["BillingPeriodStart"] <= moments["ChargePeriodStart"] < moments["ChargePeriodEnd"]
    assert moments["ChargePeriodEnd"] <= moments["BillingPeriodEnd"]
    numbers = {name: row[name] for name in row if name.endswith(("Cost", "Price", "Quantity"))}
    assert all("." in text and "e" not in text.lower() for text in numbers.values())
    listed = Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"])
    assert abs(Decimal(row["ListCost"]) - listed) < Decimal("1e-9")
    assert all(row[name] for name in ("SkuId", "SkuPriceId", "SkuMeter", "PricingUnit", "ConsumedUnit"))


@pytest.mark.timeout(900)
def test_a_focus_1_3_file_breaks_no_further_rule_of_1_2_and_names_both_providers_in_every_row(
    w: FinanceWorld, tmp_path: Path, machine_environ: dict[str, str]
) -> None:
    file = written(w, tmp_path / "october.csv", "--format", "focus", "--focus-version", "1.3")

    lines = file.read_bytes().splitlines(keepends=True)
    rows = list(csv.DictReader(io.StringIO(b"".join(lines).decode(), newline=""), strict=True))
    assert {row["ServiceProviderName"] for row in rows} == {"Anthropic"}
    assert all(row["HostProviderName"] == row["ServiceProviderName"] for row in rows)
    # Rules are the same for every row; the whole file is checked as 1.2.
    part = tmp_path / "part.csv"
    part.write_bytes(b"".join(lines[:200]))
    assert violations(part, machine_environ) == (CANNOT_PASS, 242)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--month", "2026-12", "-o", "new.csv"), "--month: 2026-12 has not begun"),
        (("--month", "2026-05", "-o", "new.csv"), "There is no bill for 2026-05"),
        (("-o", "there.csv"), "exists; --overwrite replaces it"),
        (("-o", "no/new.csv"), "lies in a folder that does not exist"),
        (("-o", "new.pdf"), "--output: the name does not end in .html, .xlsx, .csv or .json; give --format"),
        (("-o", "new.html", "--bom"), "--bom: html cannot have a byte order mark"),
        (("-o", "new.csv", "--by", "taem"), "did you mean team?"),
        (("-o", "new.csv", "--format", "focus", "--by", "team"), "--by: a FOCUS file always has every row"),
    ],
)
def test_a_report_that_cannot_be_made_is_one_sentence_and_no_file(
    w: FinanceWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.csv").write_text("mine", "utf-8")

    assert said in w.refused("report", *arguments)

    assert [each.name for each in tmp_path.iterdir()] == ["there.csv"]
    assert (tmp_path / "there.csv").read_text("utf-8") == "mine"
