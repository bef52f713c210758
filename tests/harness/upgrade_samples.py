"""Every kind of document from fixed inputs, as the present code builds them: for the tests of upgrades."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from anthropic_metrics.admin_api.replies import ApiKey, CostRow, RateLimitGroup, UsageRow, Workspace
from anthropic_metrics.config import Config, UsageSettings
from anthropic_metrics.consistency.grains import Comparison, check_document
from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.alert import AlertDocument
from anthropic_metrics.documents.cost import NUMBERS as COST_NUMBERS
from anthropic_metrics.documents.identity import Prepared, prepare
from anthropic_metrics.headroom.build import headroom_documents
from anthropic_metrics.headroom.limits import Group, Limits, Snapshot, Timeline
from anthropic_metrics.headroom.windows import windows
from anthropic_metrics.kernel.datasets import ALERT, RATE_LIMIT
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.outcome import Change
from anthropic_metrics.kernel.questions import Splits, Use
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.limits.build import rate_limit_documents
from anthropic_metrics.limits.changes import limit_changes
from anthropic_metrics.limits.groups import LimitSnapshot
from anthropic_metrics.reports.build import cost_documents, usage_documents
from anthropic_metrics.reports.corrections import corrections
from anthropic_metrics.reports.views import View, views

FOLDER = Path(__file__).parents[1] / "upgrade"
ROWS: dict[str, Any] = json.loads((FOLDER / "rows.json").read_text(encoding="utf-8"))
NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
DAY = datetime(2026, 11, 20, tzinfo=UTC)
READ = datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=UTC)
NAMESPACE = "upgrade"
STREAM = f"metrics-anthropic_metrics.cost-{NAMESPACE}"
NAMES = Names.of(
    "org-1",
    "Acme",
    [Workspace.model_validate(space) for space in ROWS["workspaces"]],
    [ApiKey.model_validate(key) for key in ROWS["api_keys"]],
)


def by_view() -> dict[str, View]:
    config = Config(namespace=NAMESPACE, usage=UsageSettings(granularities=("1m", "1h", "1d")))
    return {view.dataset: view for view in views(config)}


def built() -> Iterator[tuple[str, Prepared]]:
    """Dataset and document."""
    usage = [UsageRow.model_validate(row) for row in ROWS["usage"]]
    for name, start, width in (
        ("usage", NINE, timedelta(hours=1)),
        ("usage_1m", NINE, timedelta(minutes=1)),
        ("usage_1d", DAY, timedelta(days=1)),
    ):
        view = by_view()[f"anthropic_metrics.{name}"]
        for document in usage_documents(view.frame(Range(start, start + width), NAMES, READ), usage):
            yield view.dataset, document
    yield from (("anthropic_metrics.cost", document) for document in _costs())
    yield from (("anthropic_metrics.rate_limit", document) for document in _limits())
    yield from (("anthropic_metrics.headroom", document) for document in _headroom())
    yield from (("anthropic_metrics.agent", document) for document in _agent())
    yield "anthropic_metrics.alert", _alert()


def _costs(factor: str = "") -> list[Prepared]:
    view = by_view()["anthropic_metrics.cost"]
    rows = [CostRow.model_validate(row | {"amount": factor + row["amount"]}) for row in ROWS["cost"]]
    return cost_documents(view.frame(Range(DAY, DAY + timedelta(days=1)), NAMES, READ), rows)


def _limits() -> list[Prepared]:
    groups = [RateLimitGroup.model_validate(group) for group in ROWS["rate_limit"]]
    return rate_limit_documents(_slot(NINE, NINE), groups)


def _slot(slot: datetime, now: datetime) -> Frame:
    return Frame(RATE_LIMIT, NAMESPACE, Range(slot, slot), NAMES, now)


def _raised() -> LimitSnapshot:
    """The organization's limits with another one."""
    group = json.loads(json.dumps(ROWS["rate_limit"][0]))
    group["limits"][0]["value"] = 9
    return LimitSnapshot(None, [RateLimitGroup.model_validate(group)])


def _headroom() -> Iterator[Prepared]:
    opus = Group(
        "g-opus",
        "Opus",
        frozenset({"opus-5"}),
        {"output_tokens_per_minute": 100, "input_tokens_per_minute": 900},
    )
    own = Group("g-opus", "Opus", frozenset({"opus-5"}), {"output_tokens_per_minute": 60})
    limits = Limits(Timeline([Snapshot(0, (opus,))]), {"wrkspc_1": Timeline([Snapshot(0, (own,))])})
    at = int(NINE.timestamp())
    uses = [
        Use(at, "wrkspc_1", "opus-5", False, 100, 1000, 20, 50),
        Use(at + 120, "Default", "opus-5", False, 10, 0, 0, 90),
        Use(at + 120, "wrkspc_1", "strange", False, 1, 2, 3, 4),
    ]
    return headroom_documents(windows(uses, limits, Splits()), NAMES, NAMESPACE, READ, READ)


def _agent() -> Iterator[Prepared]:
    old, new = _costs(), _costs("9")
    changes = [
        Change(before.id, ".ds-cost-000001", 7, before.source, after.source)
        for before, after in zip(old, new, strict=True)
    ]
    yield from corrections(
        [*changes, Change(old[0].id, ".ds", 8, old[0].source, None)], STREAM, COST_NUMBERS, READ
    )
    before = [_limits()[0].source["anthropic"]["rate_limit"]]
    later = _slot(NINE + timedelta(minutes=15), READ)
    yield from limit_changes(before, int(NINE.timestamp()), _raised(), later)
    compared = Comparison("fine", "coarse", Range(DAY, NINE), 9, {DAY: {"anthropic.usage.output_tokens": -4}})
    yield check_document(compared, NAMES, NAMESPACE, READ)
    poll = {
        "poller": "usage",
        "stream": STREAM,
        "window_start": DAY,
        "window_end": NINE,
        "created": 3,
        "seconds": 0.5,
    }
    document = agent_document(
        "poll",
        at=READ,
        now=READ,
        namespace=NAMESPACE,
        organization=NAMES.organization,
        anthropic={"poll": poll},
        event={"outcome": "success"},
    )
    yield prepare("poll-1", document)


def _alert() -> Prepared:
    document = AlertDocument.model_validate(
        {
            "timestamp": READ,
            "data_stream": {"dataset": ALERT, "namespace": NAMESPACE},
            "event": {"dataset": ALERT, "category": ["api"], "created": READ},
            "anthropic": {
                "alert": {
                    "rule": "daily_cost",
                    "id": "2026-11-20",
                    "episode": 0,
                    "status": "active",
                    "fired_at": READ,
                    "message": "Daily cost: 12",
                    "row": "{}",
                }
            },
        }
    )
    return prepare("alert-1", document)
