"""Checks of estimates, and of the two bills, as documents of the agent stream."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import Prepared, document_id, prepare
from anthropic_metrics.kernel.datasets import AGENT
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.links import page
from anthropic_metrics.logs import get_logger
from anthropic_metrics.spend.check import Cause, EstimateCheck
from anthropic_metrics.spend.inputs import Shared
from anthropic_metrics.spend.money import ZERO, Usd, dollars, total

log = get_logger(__name__)

ACTION = "estimate_check"
BILL_ACTION = "bill_check"
CHECKS = {"event.action": [ACTION, BILL_ACTION]}
# A difference between early figures and the bill that is worth a line in the log.
DRIFT_SHARE = 0.03
DRIFT_USD = 1


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


def bill_check_documents(
    classic: Mapping[str | None, Usd],
    analytics: Mapping[str | None, Usd],
    shared: Callable[[str | None], Shared],
    frame: Frame,
) -> Iterator[Prepared]:
    """One document per workspace in which the two bills of the UTC day `frame` differ."""
    for workspace in sorted({*classic, *analytics}, key=str):
        one, two = (bill.get(workspace, ZERO) for bill in (classic, analytics))
        if one == two:
            continue
        difference = total((two, Usd(-one)))
        fields = {
            "workspace_id": workspace,
            "classic_usd": one,
            "analytics_usd": two,
            "difference_usd": difference,
        }
        named = shared(workspace).get("workspace")
        document = agent_document(
            BILL_ACTION,
            at=frame.bucket.start,
            now=frame.now,
            namespace=frame.namespace,
            organization=frame.names.organization,
            anthropic=({"workspace": named} if named else {}) | {"bill_check": fields},
        )
        dimensions = {"action": BILL_ACTION, "workspace_id": workspace}
        id_ = document_id(frame.names.organization_id, AGENT, frame.bucket.start, dimensions)
        yield prepare(id_, document)


def day_error(checks: Iterable[EstimateCheck]) -> float | None:
    """By what share of the bill a whole day's early figures were off; None where nothing was billed."""
    checks = list(checks)
    billed = total(check.billed for check in checks)
    return float(total(check.difference for check in checks) / billed) if billed else None


def warn_of_drift(
    check: EstimateCheck,
    drifted: set[tuple[date, str | None, str]],
    called: str | None = None,
    level: int = logging.WARNING,
) -> None:
    """Log a difference worth it, once for each day, workspace and cause: `drifted` are those already told.

    `called` is the workspace's name.
    """
    share, cause = check.share, check.cause
    if share is None or cause is None or abs(share) < DRIFT_SHARE or abs(check.difference) < DRIFT_USD:
        return
    if (drift := (check.day, check.workspace, cause.label)) not in drifted:
        drifted.add(drift)
        log.log(
            level,
            "estimates_drifted",
            reason=_meaning(check, cause, called or check.workspace),
            see=page("troubleshooting.md", "estimates"),
            day=check.day.isoformat(),
            workspace=check.workspace,
            estimated_usd=round(float(check.estimated), 2),
            billed_usd=round(float(check.billed), 2),
            cell=cause.label,
        )


def _meaning(check: EstimateCheck, cause: Cause, workspace: str | None) -> str:
    """What a drift means for who reads the log: how much, of which day, because of what, and what to do."""
    whose = f" for workspace {workspace}" if workspace else ""
    off = f"{abs(check.share or 0):.1%} {'below' if check.difference > 0 else 'above'}"
    part = Usd(abs(cause.difference))
    return (
        f"The bill of {check.day}{whose} is ${dollars(check.billed)}, {off} the estimate of "
        f"${dollars(check.estimated)}; ${dollars(part)} of the difference is {cause.label}. Figures of that "
        "day now come from the bill, and later estimates use its prices: nothing to do, unless the price is "
        "one that you did not expect."
    )
