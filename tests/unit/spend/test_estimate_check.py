"""A settled day's bill against its early figures: by workspace, with what no estimate could know, and why."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from anthropic_metrics.spend.allocate import allocate
from anthropic_metrics.spend.check import EstimateCheck, estimate_checks, known_before
from anthropic_metrics.spend.checks import day_error, warn_of_drift
from anthropic_metrics.spend.estimate import Prices
from anthropic_metrics.spend.money import usd
from anthropic_metrics.spend.rows import Billed, Counts, Used
from anthropic_metrics.spend.table import PriceTable, list_prices

DAY = date(2026, 11, 20)
GROUP_BY = ("model", "workspace_id", "service_tier", "inference_geo")
MILLION = 1_000_000
# A million output tokens of it are 20 dollars by the list.
MODEL = "claude-opus-5-5"


def row(workspace: str | None, output: int = MILLION, model: str = MODEL) -> Used:
    dimensions = {"model": model, "service_tier": "standard", "inference_geo": "global"}
    own = {} if workspace is None else {"workspace_id": workspace}
    return Used(
        datetime(2026, 11, 20, 9, tzinfo=UTC), dimensions | own, Counts(output=output), str(workspace)
    )


def line(amount: str, workspace: str, model: str = MODEL) -> Billed:
    of_output = ("tokens", model, "output_tokens", "standard", "0-200k", "global")
    return Billed(DAY, workspace, usd(amount), *of_output)


def code(amount: str, workspace: str) -> Billed:
    return Billed(DAY, workspace, usd(amount), "code_execution")


def checks(lines: list[Billed], rows: list[Used]) -> dict[str | None, EstimateCheck]:
    prices = Prices(DAY, GROUP_BY, {}, PriceTable(()), list_prices())
    return {check.workspace: check for check in estimate_checks(allocate(lines, rows, DAY), prices)}


def test_each_workspace_has_its_own_check_with_the_rest_of_its_bill() -> None:
    lines = [line("22", "w1"), line("19", "w2"), code("0.5", "w2"), code("0.25", "w3")]
    found = checks(lines, [row("w1"), row("w2")])
    assert list(found) == ["w1", "w2", "w3"]
    sums = [(check.estimated, check.billed, check.difference, check.unattributed) for check in found.values()]
    assert sums == [
        (usd("20"), usd("22"), usd("-2"), usd("0")),
        (usd("20"), usd("19"), usd("1"), usd("0.5")),
        (usd("0"), usd("0"), usd("0"), usd("0.25")),
    ]
    assert (found["w3"].share, found["w3"].cause) == (None, None)
    assert day_error(found.values()) == -1 / 41


def test_usage_that_is_not_grouped_by_workspace_has_one_check_with_all_of_the_rest() -> None:
    lines = [line("22", "w1"), code("0.5", "w2"), code("0.25", "w3")]
    (check,) = checks(lines, [row(None)]).values()
    assert (check.workspace, check.billed, check.unattributed) == (None, usd("22"), usd("0.75"))


def test_a_bill_without_usage_is_checked_by_its_workspaces() -> None:
    found = checks([code("0.5", "w2"), code("0.25", "w1")], [])
    assert {name: check.unattributed for name, check in found.items()} == {
        "w1": usd("0.25"),
        "w2": usd("0.5"),
    }


def test_the_cause_is_the_cell_that_was_most_off_also_where_it_had_no_price() -> None:
    lines = [line("21", "w1"), line("9", "w1", "claude-unknown")]
    (check,) = checks(lines, [row("w1"), row("w1", model="claude-unknown")]).values()
    assert check.cause is not None
    assert check.cause.label == "claude-unknown standard global output"
    assert (check.cause.estimated, check.cause.billed) == (usd("0"), usd("9"))
    assert check.unpriced_tokens == MILLION


def test_an_estimate_that_was_right_has_no_cause() -> None:
    (check,) = checks([line("20", "w1")], [row("w1")]).values()
    assert (check.difference, check.share, check.cause) == (usd("0"), 0.0, None)


@pytest.mark.parametrize(
    ("billed", "tokens", "told"),
    [
        ("20.7", MILLION, False),  # 3.4 %, and less than a dollar
        ("206", 10 * MILLION, False),  # 2.9 %
        ("207", 10 * MILLION, True),
        ("194", 10 * MILLION, True),
        ("20", MILLION, False),
    ],
)
def test_a_drift_of_three_per_cent_and_a_dollar_is_logged_once_with_its_cell(
    billed: str, tokens: int, told: bool
) -> None:
    (check,) = checks([line(billed, "w1")], [row("w1", tokens)]).values()
    drifted: set[tuple[date, str | None, str]] = set()
    with structlog.testing.capture_logs() as events:
        warn_of_drift(check, drifted, "Production")
        warn_of_drift(check, drifted, "Production")
    assert len(events) == told
    for event in events:
        assert (event["event"], event["log_level"]) == ("estimates_drifted", "warning")
        assert (event["day"], event["workspace"]) == ("2026-11-20", "w1")
        assert (event["estimated_usd"], event["billed_usd"]) == (200.0, float(billed))
        assert event["cell"] == f"{MODEL} standard global output"
        side = "above" if float(billed) > 200 else "below"
        off = abs(float(billed) - 200)
        assert event["reason"].startswith(
            f"The bill of 2026-11-20 for workspace Production is ${float(billed):.2f}, "
            f"{off / float(billed):.1%} {side} the estimate of $200.00; ${off:.2f} of the difference is "
            f"{event['cell']}. Figures of that day now come from the bill"
        )
        assert "nothing to do, unless" in event["reason"]
        assert event["see"].endswith("docs/troubleshooting.md#estimates")
        assert '<a id="estimates"></a>' in Path("docs/troubleshooting.md").read_text("utf-8")


def test_a_day_is_held_against_what_was_settled_when_it_began() -> None:
    """On the 20th the 17th was the last day that had ended two days before."""
    assert known_before(DAY, timedelta(hours=48)) == date(2026, 11, 18)
