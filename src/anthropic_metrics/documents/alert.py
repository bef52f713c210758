"""`anthropic_metrics.alert`: one alert that the agent raised itself, from its first run to its end.

The document is also the agent's memory: an alert that is active here is not new, and what `pending` names has
still to be posted. So a restart forgets nothing, and of two agents only one writes it and posts.
"""

from __future__ import annotations

from pydantic import Field

from anthropic_metrics.documents.base import Count, Date, Document, Keyword, Keywords, Part, Shared


class Alert(Part):
    """One alert."""

    rule: Keyword = Field(description="The rule's key in the configuration.")
    id: Keyword = Field(description="The alert's id: what tells it from the rule's other alerts.")
    episode: Count = Field(description="How many earlier alerts had this id.")
    status: Keyword = Field(description="`active`, then `recovered`.")
    fired_at: Date = Field(description="Time of the run that found the alert.")
    recovered_at: Date | None = Field(None, description="Time of the first run that no longer found it.")
    reason: Keyword | None = Field(
        None, description="Why it ended, where that is not its rule's last run: the rule is off or gone."
    )
    message: Keyword = Field(description="The alert's message, one sentence.")
    row: Keyword = Field(description="The row of the rule's query, as JSON.")
    pending: Keywords | None = Field(None, description="Posts that are still to be made: event and webhook.")
    claimed_by: Keyword | None = Field(None, description="The agent that claimed the alert and posts it.")
    claimed_until: Date | None = Field(None, description="When another agent may post instead.")


class Alerting(Part):
    """What agents that evaluate the rules tell each other: one document of each namespace, and one of each
    agent with its rules."""

    evaluated: Keywords | None = Field(
        None, description="The rules that were evaluated, each with a digest of its query."
    )
    rules: Keywords | None = Field(None, description="The rules that an agent has.")
    seen_at: Date | None = Field(None, description="When the agent last said which rules it has.")
    claimed_by: Keyword | None = Field(
        None, description="The agent that evaluates other rules for the first time and posts the summary."
    )
    claimed_until: Date | None = Field(None, description="When another agent may do so instead.")


class AlertAnthropic(Shared):
    alert: Alert | None = None
    alerting: Alerting | None = None


class AlertDocument(Document):
    """An alert, or what agents tell each other of the rules."""

    anthropic: AlertAnthropic
