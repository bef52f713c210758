"""Checks of estimates as documents of the agent stream."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import Prepared, document_id, prepare
from anthropic_metrics.kernel.datasets import AGENT
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.spend.check import EstimateCheck
from anthropic_metrics.spend.inputs import Shared
from anthropic_metrics.spend.money import total

ACTION = "estimate_check"


def check_document(check: EstimateCheck, shared: Shared, frame: Frame) -> Prepared:
    """One document per UTC day and workspace, `frame` being the day; a revised bill replaces it."""
    cause = check.cause
    fields: dict[str, Any] = {
        "workspace_id": check.workspace,
        "estimated_usd": check.estimated,
        "billed_usd": check.billed,
        "difference_usd": check.difference,
        "difference_share": check.share,
        "unattributed_usd": check.unattributed,
        "unpriced_tokens": check.unpriced_tokens,
    }
    if cause is not None:
        fields |= {
            "cell": cause.label,
            "cell_estimated_usd": cause.estimated,
            "cell_billed_usd": cause.billed,
        }
    workspace = {"workspace": shared["workspace"]} if check.workspace and "workspace" in shared else {}
    document = agent_document(
        ACTION,
        at=frame.bucket.start,
        now=frame.now,
        namespace=frame.namespace,
        organization=frame.names.organization,
        anthropic=workspace | {"estimate_check": fields},
    )
    dimensions = {"action": ACTION, "workspace_id": check.workspace}
    return prepare(document_id(frame.names.organization_id, AGENT, frame.bucket.start, dimensions), document)


def day_error(checks: Iterable[EstimateCheck]) -> float | None:
    """By what share of the bill a whole day's early figures were off; None where nothing was billed."""
    checks = list(checks)
    billed = total(check.billed for check in checks)
    return float(total(check.difference for check in checks) / billed) if billed else None
