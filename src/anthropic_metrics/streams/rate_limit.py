"""`anthropic_metrics.rate_limit`: the rate limits of the organization and its workspaces."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from anthropic_metrics.documents.rate_limit import RateLimitDocument
from anthropic_metrics.streams.stream import Stream

if TYPE_CHECKING:
    from anthropic_metrics.agent.organization import Organization
    from anthropic_metrics.kernel.ports import Poller


def _pollers(organization: Organization) -> Iterator[Poller]:
    # Imported when it is called: the configuration reads the registry, and pollers read the configuration.
    from anthropic_metrics.limits.poller import RateLimitPoller

    config = organization.config
    if config.rate_limits.enabled:
        yield RateLimitPoller(config, organization.client, organization.inventory, clock=organization.clock)


STREAM = Stream(
    key="rate_limit",
    title="Rate limits",
    about="a snapshot of a limit group, of the organization or of a workspace",
    document=RateLimitDocument,
    polled="15m",
    retained="rate limits",
    retention=timedelta(days=90),
    only="rate_limits",
    pollers=_pollers,
    panels=True,
)
