"""The people stream against the reports about people."""

from __future__ import annotations

from anthropic_metrics.audit.compare import Audited, compare
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.people.poller import PeoplePoller

_USD = "anthropic.people.amount_exact"


def audit_people(
    es: Client, ask: Questions, poller: PeoplePoller, window: Range, organization: str
) -> Audited | str:
    """Compare whole UTC days with what the reports say now; or why that is not possible.

    A refused report says nothing of what the stream has of it. Raises what reading raises.
    """
    result, tally = Audited(poller.stream, window, "dollars"), Tally(poller.only, poller.stream)
    wanted = list(poller.joined(window, ask, tally))
    if poller.absent and not wanted:
        return " ".join(poller.absent.values())
    result.refused = tally.unread
    compare(es, result, wanted, {"organization.id": [organization], **poller.terms}, _USD)
    return result
