"""`anthropic_metrics.alert`: the alerts that the agent raised itself, and its memory of them."""

from __future__ import annotations

from datetime import timedelta

from anthropic_metrics.documents.alert import AlertDocument
from anthropic_metrics.streams.stream import Stream

STREAM = Stream(
    key="alert",
    title="Alerts that the agent raised",
    about="an alert that the agent raised itself (`alerts.evaluate`)",
    document=AlertDocument,
    polled="as it happens",
    retained="alerts that the agent itself raised",
    retention=timedelta(days=400),
)
