"""`anthropic_metrics.agent`: what the agent did, found or was told; pollers append to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from anthropic_metrics.documents.agent import AgentDocument
from anthropic_metrics.streams.stream import Stream
from anthropic_metrics.telemetry.spans import FIELDS

if TYPE_CHECKING:
    from anthropic_metrics.agent.organization import Organization
    from anthropic_metrics.kernel.ports import Poller


def _pollers(organization: Organization) -> Iterator[Poller]:
    # Imported when it is called: the configuration reads the registry, and pollers read the configuration.
    from anthropic_metrics.telemetry.poller import TelemetryPoller

    config = organization.config
    if config.telemetry.enabled != "false":
        yield TelemetryPoller(config, organization.client, organization.inventory, clock=organization.clock)


STREAM = Stream(
    key="agent",
    title="What the agent did",
    about="a poll with its counts, a correction of a shipped number, a changed limit, "
    "a comparison of minutes, hours and days, a budget, a check of the estimates, "
    "the state of a telemetry destination",
    document=AgentDocument,
    polled="as it happens",
    retained="the agent's own polls and corrections",
    retention=timedelta(days=90),
    only="telemetry",
    pollers=_pollers,
    panels=True,
    lent=FIELDS,
)
