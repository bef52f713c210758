"""`anthropic_metrics.agent`: what the agent did, found or was told; pollers append to it."""

from __future__ import annotations

from datetime import timedelta

from anthropic_metrics.documents.agent import AgentDocument
from anthropic_metrics.streams.stream import Stream

STREAM = Stream(
    key="agent",
    title="What the agent did",
    about="a poll with its counts, a correction of a shipped number, a changed limit, "
    "a comparison of the grains, a budget, a check of the estimates",
    document=AgentDocument,
    polled="as it happens",
    retained="the agent's own polls and corrections",
    retention=timedelta(days=90),
    panels=True,
)
