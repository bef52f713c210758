"""A limit that differs from the snapshot before leaves one document, whoever looks and how often."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.admin_api.replies import RateLimitGroup
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.limits.build import rate_limit_documents
from anthropic_metrics.limits.changes import limit_changes
from tests.harness.report_samples import HOUR, limits_frame

LATER = HOUR + timedelta(minutes=15)


def snapshot(slot: datetime, *groups: dict[str, Any]) -> list[Prepared]:
    rows = [RateLimitGroup.model_validate(each) for each in groups]
    return rate_limit_documents(limits_frame(slot, slot), rows)


def group(limits: dict[str, int], **more: Any) -> dict[str, Any]:
    listed = [{"type": kind, "value": value} for kind, value in limits.items()]
    shape = {"group": {"id": "rlg_1", "type": "model_group", "display_name": "Opus"}, "models": ["opus"]}
    return shape | {"type": "rate_limit", "limits": listed} | more


def changes(before: list[Prepared], after: list[Prepared]) -> list[dict[str, Any]]:
    rows = [document.source["anthropic"]["rate_limit"] for document in before]
    found = limit_changes(rows, int(HOUR.timestamp()), after, LATER)
    return [document.source["anthropic"]["limit_change"] for document in found]


def told(found: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {(each["limit_type"], each.get("old"), each.get("new"), each["why"]) for each in found}


def test_raised_lowered_added_and_removed_limits_are_told_and_equal_ones_are_not() -> None:
    before = snapshot(HOUR, group({"a": 1, "b": 2, "c": 3, "same": 4}))
    after = snapshot(LATER, group({"a": 5, "b": 1, "d": 6, "same": 4}))
    found = changes(before, after)
    assert told(found) == {
        ("a", 1, 5, "raised"),
        ("b", 2, 1, "lowered"),
        ("c", 3, None, "removed"),
        ("d", None, 6, "added"),
    }
    assert {each["group_id"] for each in found} == {"rlg_1"}


def test_a_group_that_is_gone_has_lost_its_limits() -> None:
    other = group({"a": 1}, group={"id": "rlg_2", "type": "files"}, models=None)
    assert told(changes(snapshot(HOUR, group({"a": 1}), other), snapshot(LATER, other))) == {
        ("a", 1, None, "removed")
    }


def test_a_snapshot_with_nothing_in_it_tells_nothing() -> None:
    assert changes(snapshot(HOUR, group({"a": 1})), []) == []


def test_a_group_that_gets_an_id_is_still_the_same() -> None:
    old = {"type": "rate_limit", "group_type": "model_group", "models": ["opus"]}
    before = snapshot(HOUR, old | {"limits": [{"type": "a", "value": 1}]})
    assert changes(before, snapshot(LATER, group({"a": 1}))) == []


def test_a_change_of_the_organization_is_not_told_again_for_every_workspace() -> None:
    def inherited(value: int) -> dict[str, Any]:
        limit = {"type": "a", "value": value, "org_limit": value, "source": {"type": "organization"}}
        return group({}, workspace_id="wrkspc_1") | {"limits": [limit]}

    assert changes(snapshot(HOUR, inherited(1)), snapshot(LATER, inherited(2))) == []


def test_the_same_change_has_the_same_id_and_another_one_has_another() -> None:
    rows = [d.source["anthropic"]["rate_limit"] for d in snapshot(HOUR, group({"a": 1}))]

    def ids(value: int, now: datetime) -> list[str]:
        return [each.id for each in limit_changes(rows, 0, snapshot(LATER, group({"a": value})), now)]

    assert ids(2, LATER) == ids(2, LATER + timedelta(seconds=40))
    assert ids(2, LATER) != ids(3, LATER)
