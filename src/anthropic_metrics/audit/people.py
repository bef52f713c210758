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

    Day by day, so that any number of people fits in memory. A refused report says nothing of what the stream
    has of it. Raises what reading raises.
    """
    result, tally = Audited(poller.stream, window, "dollars"), Tally(poller.only, poller.stream)
    terms = {"organization.id": [organization], **poller.terms}
    for day, wanted in poller.joined(window, ask, tally):
        compare(es, result, day, wanted, terms, _USD)
    if poller.absent and not result.documents_there:
        return " ".join(poller.absent.values())
    result.refused = tally.unread
    return result
