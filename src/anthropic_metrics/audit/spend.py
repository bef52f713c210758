"""Spend against a fresh computation, and its sums against what was billed."""

from __future__ import annotations

from datetime import datetime

from anthropic_metrics.audit.compare import Audited, Difference, compare_runs
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.kernel.datasets import SPEND, stream_name
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.spend.additions import Addition, additions
from anthropic_metrics.spend.keeper import SpendKeeper

_NUMBER = "anthropic.spend.amount_exact"
_UNIT = "dollars"


def audit_spend(
    es: Client, ask: Questions, keeper: SpendKeeper, window: Range, names: Names, now: datetime
) -> list[Audited]:
    """Every document of the whole UTC days in `window`, and the sums of those that are settled.

    `now` is when the stream was last kept: a day that has settled since is not what it was then. The second
    has no documents of its own to compare: its totals are the stream's and the bill's. Raises what reading
    the streams and the analytics reports raises.
    """
    stream = stream_name(SPEND, keeper.namespace)
    tally = Tally(keeper.only, stream)
    computation = keeper.computation(window, ask, names, now, tally)
    documents = Audited(stream, window, _UNIT)
    terms = {"organization.id": [names.organization_id], **keeper.terms}
    compare_runs(es, documents, computation.everything(window), terms, _NUMBER)
    documents.refused = tally.unread
    if not (documents.documents_here or documents.documents_there):
        return []
    sums = Audited(f"{stream} adds up to the bill", window, _UNIT)
    for addition in additions(computation, stream, window):
        sums.documents_here += 1
        sums.documents_there += 1
        sums.total_here += addition.spent
        sums.total_there += addition.billed
        if not addition.equal:
            sums.differences.append(_unequal(stream, addition))
    return [documents, sums] if sums.documents_there else [documents]


def _unequal(stream: str, addition: Addition) -> Difference:
    whose = (
        "analytics report"
        if addition.report
        else f"workspace_id={addition.workspace}"
        if addition.workspace
        else ""
    )
    fields = {"amount_exact": (addition.spent, addition.billed)}
    return Difference("unequal", stream, "", addition.day.isoformat(), whose, fields)
