"""The budgets in the agent stream: one document per budget and period, so that panels can show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from anthropic_metrics.budgets.scope import target
from anthropic_metrics.budgets.state import BudgetState
from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import Prepared, document_id, prepare
from anthropic_metrics.kernel.datasets import AGENT
from anthropic_metrics.kernel.frame import CONSOLE, workspace_fields
from anthropic_metrics.kernel.names import Names

ACTION = "budget"
_SHARE = 6


def budget_documents(
    states: Iterable[BudgetState], names: Names, namespace: str, now: datetime
) -> Iterator[Prepared]:
    """One document per budget, at the start of its period; the same budget and period have one `_id`."""
    for state in states:
        document = agent_document(
            ACTION,
            at=state.time_range.start,
            now=now,
            namespace=namespace,
            organization=names.organization,
            anthropic=_shared(state, names) | {"budget": _fields(state)},
            event={"category": ["configuration"]},
        )
        dimensions: dict[str, str | None] = {
            "action": ACTION,
            "period": state.budget.period,
            "name": state.name,
        }
        yield prepare(document_id(names.organization_id, AGENT, state.time_range.start, dimensions), document)


def _shared(state: BudgetState, names: Names) -> dict[str, Any]:
    """The fields by which a dashboard's controls choose: of one workspace, or of one key."""
    budget = state.budget
    if budget.scope not in ("workspace", "api_key"):
        return {}
    ids = [id_ for values in target(budget, names).terms.values() for id_ in values]
    if budget.scope == "workspace":
        if len(ids) == 1:
            return workspace_fields(ids[0], names)
        return {"workspace": {"name": budget.whose}}
    if len(ids) != 1:
        return {"api_key": {"name": budget.whose}}
    return {"api_key": {"id": ids[0], "name": CONSOLE if ids[0] == CONSOLE else names.api_keys.get(ids[0])}}


def _fields(state: BudgetState) -> dict[str, Any]:
    budget, known, unit = state.budget, not state.problem, state.unit
    fields: dict[str, Any] = {
        "scope": budget.scope,
        "name": state.name,
        "whose": state.whose,
        "period": budget.period,
        "period_end": state.time_range.end,
        f"limit_{unit}": state.limit,
        "state": state.state,
        "counted_from": state.counted_from and state.counted_from.isoformat(),
        "read_only": state.read_only,
        "problem": state.problem or None,
        "runs_out": state.runs_out and state.runs_out.isoformat(),
    }
    if budget.usd is not None and budget.period == "monthly":
        fields["month_usd"] = budget.usd
    if known:
        fields |= {
            f"spent_{unit}": state.spent,
            f"estimated_{unit}": state.estimated,
            "used": round(state.used, _SHARE),
        }
    if state.burn is not None:
        fields[f"burn_{unit}"] = state.burn
    if state.forecast is not None:
        fields |= {
            f"forecast_{unit}": round(state.forecast.expected, _SHARE),
            f"forecast_low_{unit}": round(state.forecast.low, _SHARE),
            f"forecast_high_{unit}": round(state.forecast.high, _SHARE),
        }
    return fields
