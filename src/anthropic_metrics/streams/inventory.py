"""`anthropic_metrics.inventory`: what the organization consists of, day by day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from anthropic_metrics.documents.inventory import InventoryDocument
from anthropic_metrics.streams.stream import Stream

if TYPE_CHECKING:
    from anthropic_metrics.agent.organization import Organization
    from anthropic_metrics.kernel.ports import Poller


def _pollers(organization: Organization) -> Iterator[Poller]:
    # Imported when it is called: the configuration reads the registry, and pollers read the configuration.
    from anthropic_metrics.inventory.poller import InventoryPoller

    config = organization.config
    if config.inventory.enabled:
        yield InventoryPoller(config, organization.client, organization.inventory, clock=organization.clock)


STREAM = Stream(
    key="inventory",
    title="Inventory by the day",
    about="a workspace, key, user, service account or the organization as it stood on a UTC day",
    document=InventoryDocument,
    polled="1h",
    retained="inventory documents",
    retention=timedelta(days=400),
    only="inventory",
    pollers=_pollers,
    panels=True,
)
