"""Budgets as documents: one for each of the month, found again by any agent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from anthropic_metrics.config import BudgetSettings
from anthropic_metrics.reports.budgets import budget_documents, month_of, unknown_names
from tests.harness.report_samples import NAMES

NOW = datetime(2026, 12, 20, 9, 30, tzinfo=UTC)
BUDGETS = BudgetSettings(
    organization_usd=900, workspaces={"Research": 500, "wrkspc_1": 400, "Default": 30, "Gone": 7}
)


def test_each_budget_is_a_document_of_the_month_with_the_workspace_s_id_and_name() -> None:
    sources = [document.source for document in budget_documents(BUDGETS, NAMES, "default", NOW)]
    assert {source["@timestamp"] for source in sources} == {"2026-12-01T00:00:00Z"}
    shown = [(s["anthropic"]["budget"], s["anthropic"].get("workspace", {})) for s in sources]
    research = {"id": "wrkspc_1", "name": "Research", "tags": {"team": "r"}}
    assert [(b["scope"], b["name"], b["month_usd"], workspace) for b, workspace in shown] == [
        ("organization", "organization", 900.0, {}),
        ("workspace", "Research", 500.0, research),
        ("workspace", "wrkspc_1", 400.0, research),
        ("workspace", "Default", 30.0, {"id": "Default", "name": "Default"}),
        ("workspace", "Gone", 7.0, {"name": "Gone"}),
    ]


def test_the_identity_of_a_budget_is_its_month_and_name_and_not_its_amount() -> None:
    def ids(now: datetime, usd: float) -> list[str]:
        settings = BudgetSettings(organization_usd=usd, workspaces={"organization": usd})
        return [document.id for document in budget_documents(settings, NAMES, "default", now)]

    assert ids(NOW, 5) == ids(NOW + timedelta(days=3), 6)
    assert not set(ids(NOW, 5)) & set(ids(NOW + timedelta(days=20), 5))
    assert len(set(ids(NOW, 5))) == 2  # a workspace may be called "organization"


@pytest.mark.parametrize(
    ("moment", "days"),
    [(NOW, 31), (datetime(2026, 2, 28, 23, 59, tzinfo=UTC), 28), (datetime(2028, 2, 1, tzinfo=UTC), 29)],
)
def test_a_month_runs_from_its_first_day_to_the_next_month_s(moment: datetime, days: int) -> None:
    month = month_of(moment)
    assert month.start <= moment < month.end
    assert (month.end - month.start).days == days
    assert month.start.day == month.end.day == 1


def test_a_budget_of_an_unknown_workspace_or_tag_is_named() -> None:
    budgets = BUDGETS.model_copy(update={"tags": {"team=r": 1.0, "team=gone": 2.0}})
    said = list(unknown_names(budgets, NAMES))
    assert [sentence.split(": there")[0] for sentence in said] == [
        "budgets.workspaces: Gone",
        "budgets.tags: team=gone",
    ]
