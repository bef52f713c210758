"""A limit that differs from the snapshot before leaves one document, whoever looks and how often."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.admin_api.replies import RateLimitGroup
from anthropic_metrics.limits.build import rate_limit_documents
from anthropic_metrics.limits.changes import limit_changes
from anthropic_metrics.limits.groups import LimitSnapshot
from tests.harness.report_samples import HOUR, limits_frame

LATER = HOUR + timedelta(minutes=15)


def snapshot(*groups: dict[str, Any]) -> LimitSnapshot:
    replies = [RateLimitGroup.model_validate(each) for each in groups]
    return LimitSnapshot(replies[0].workspace_id if replies else None, replies)


def group(limits: dict[str, int], **more: Any) -> dict[str, Any]:
    listed = [{"type": kind, "value": value} for kind, value in limits.items()]
    shape = {"group": {"id": "rlg_1", "type": "model_group", "display_name": "Opus"}, "models": ["opus"]}
    return shape | {"type": "rate_limit", "limits": listed} | more


def stored(before: LimitSnapshot) -> list[dict[str, Any]]:
    """The rows that a snapshot leaves in the stream."""
    documents = rate_limit_documents(limits_frame(HOUR, HOUR), before.replies)
    return [document.source["anthropic"]["rate_limit"] for document in documents]


def changes(before: LimitSnapshot, after: LimitSnapshot) -> list[dict[str, Any]]:
    found = limit_changes(stored(before), int(HOUR.timestamp()), after, limits_frame(LATER, LATER))
    return [document.source["anthropic"]["limit_change"] for document in found]


def told(found: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {(each["limit_type"], each.get("old"), each.get("new"), each["why"]) for each in found}


def test_raised_lowered_added_and_removed_limits_are_told_and_equal_ones_are_not() -> None:
    before = snapshot(group({"a": 1, "b": 2, "c": 3, "same": 4}))
    after = snapshot(group({"a": 5, "b": 1, "d": 6, "same": 4}))
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
    assert told(changes(snapshot(group({"a": 1}), other), snapshot(other))) == {("a", 1, None, "removed")}


def test_a_snapshot_with_nothing_in_it_tells_nothing() -> None:
    assert changes(snapshot(group({"a": 1})), snapshot()) == []


def test_a_group_that_gets_an_id_is_still_the_same() -> None:
    old = {"type": "rate_limit", "group_type": "model_group", "models": ["opus"]}
    before = snapshot(old | {"limits": [{"type": "a", "value": 1}]})
    assert changes(before, snapshot(group({"a": 1}))) == []


def test_a_change_of_the_organization_is_not_told_again_for_every_workspace() -> None:
    def inherited(value: int) -> dict[str, Any]:
        limit = {"type": "a", "value": value, "org_limit": value, "source": {"type": "organization"}}
        return group({}, workspace_id="wrkspc_1") | {"limits": [limit]}

    assert changes(snapshot(inherited(1)), snapshot(inherited(2))) == []


def test_the_same_change_has_the_same_id_and_another_one_has_another() -> None:
    rows = stored(snapshot(group({"a": 1})))

    def ids(value: int, now: datetime) -> list[str]:
        frame = limits_frame(LATER, now)
        return [each.id for each in limit_changes(rows, 0, snapshot(group({"a": value})), frame)]

    assert ids(2, LATER) == ids(2, LATER + timedelta(seconds=40))
    assert ids(2, LATER) != ids(3, LATER)
