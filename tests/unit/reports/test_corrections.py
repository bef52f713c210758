from typing import Any

from anthropic_metrics.documents.cost import NUMBERS as COST_NUMBERS
from anthropic_metrics.documents.usage import NUMBERS as USAGE_NUMBERS
from anthropic_metrics.kernel.outcome import Change
from anthropic_metrics.reports.build import cost_documents, usage_documents
from anthropic_metrics.reports.corrections import corrections
from tests.harness.report_samples import (
    COST_DAY,
    HOUR,
    LATER,
    cost_row,
    frame,
    usage_row,
)

STREAM = "metrics-anthropic_metrics.usage-default"


def usage_source(now: Any = LATER, **changed: Any) -> dict[str, Any]:
    return usage_documents(frame(now=now), [usage_row(**changed)])[0].source


def logged(before: dict[str, Any], after: dict[str, Any] | None, numbers: Any = USAGE_NUMBERS) -> list[Any]:
    change = Change(id="a", index=".ds-1", seq_no=4, before=before, after=after)
    return [
        entry.source["anthropic"]["correction"] for entry in corrections([change], STREAM, numbers, LATER)
    ]


def test_a_number_that_grew_after_its_bucket_was_complete_is_logged_with_old_and_new() -> None:
    [entry] = logged(usage_source(), usage_source(output_tokens=60))
    assert (entry["field"], entry["old"], entry["new"], entry["delta"], entry["why"]) == (
        "anthropic.usage.output_tokens",
        50,
        60,
        10,
        "late",
    )
    assert entry["bucket_start_time"] == "2026-11-20T09:00:00Z"
    assert "model=claude-opus-5-5" in entry["dimensions"]


def test_a_number_that_shrank_is_a_revision() -> None:
    [entry] = logged(usage_source(), usage_source(output_tokens=40))
    assert (entry["why"], entry["delta"]) == ("revised", -10)


def test_a_new_name_corrects_no_number() -> None:
    renamed = usage_source()
    renamed["anthropic"]["workspace"]["name"] = "Renamed"
    assert logged(usage_source(), renamed) == []


def test_a_vanished_row_is_logged_number_by_number_without_its_zeros() -> None:
    gone = logged(usage_source(uncached_input_tokens=0), None)
    assert [entry["why"] for entry in gone] == ["vanished"] * 5
    assert all("new" not in entry and entry["delta"] == -entry["old"] for entry in gone)


def test_a_cost_is_corrected_in_cents() -> None:
    before, after = (
        cost_documents(frame("cost", COST_DAY), [cost_row(amount=amount)])[0].source
        for amount in ("100", "95.5")
    )
    [entry] = logged(before, after, COST_NUMBERS)
    assert (entry["field"], entry["old"], entry["new"]) == ("anthropic.cost.amount", 100, 95.5)


def costs(*amounts: str) -> list[dict[str, Any]]:
    return [
        cost_documents(frame("cost", COST_DAY), [cost_row(amount=amount)])[0].source for amount in amounts
    ]


def test_money_is_subtracted_as_text() -> None:
    before, after = costs("0.1", "0.3")
    [entry] = logged(before, after, COST_NUMBERS)
    assert (entry["delta"], entry["delta_exact"]) == (0.2, "0.2")
    assert (entry["old_exact"], entry["new_exact"]) == ("0.1", "0.3")
    [gone] = logged(costs("0.30")[0], None, COST_NUMBERS)
    assert (gone["delta"], gone["delta_exact"], "new_exact" in gone) == (-0.3, "-0.30", False)


def test_a_revision_below_double_precision_is_a_correction() -> None:
    before, after = costs("123456789.00000000000000000001", "123456789.00000000000000000002")
    assert before["anthropic"]["cost"]["amount"] == after["anthropic"]["cost"]["amount"]
    [entry] = logged(before, after, COST_NUMBERS)
    assert (entry["delta_exact"], entry["why"]) == ("0.00000000000000000001", "late")


def test_the_same_amount_written_otherwise_is_no_correction() -> None:
    before, after = costs("0.3", "0.30")
    assert logged(before, after, COST_NUMBERS) == []


def test_the_same_revision_logged_twice_has_one_identity() -> None:
    change = Change(
        id="a", index=".ds-1", seq_no=4, before=usage_source(), after=usage_source(output_tokens=9)
    )
    first, second = (list(corrections([change], STREAM, USAGE_NUMBERS, now)) for now in (LATER, HOUR))
    assert [entry.id for entry in first] == [entry.id for entry in second]
