"""`anthropic_metrics.people`: what each person used and cost, day by day; off unless it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from anthropic_metrics.documents.people import PeopleDocument
from anthropic_metrics.streams.stream import Stream

if TYPE_CHECKING:
    from anthropic_metrics.agent.organization import Organization
    from anthropic_metrics.kernel.ports import Poller


def _pollers(organization: Organization) -> Iterator[Poller]:
    # Imported when it is called: the configuration reads the registry, and pollers read the configuration.
    from anthropic_metrics.people.poller import PeoplePoller

    config = organization.config
    if config.people.enabled:
        yield PeoplePoller(config, organization.client, organization.inventory, clock=organization.clock)


STREAM = Stream(
    key="people",
    title="People by the day",
    about="one person's use of a product and model, or work with Claude Code, on a UTC day (off by default)",
    document=PeopleDocument,
    polled="6h",
    retained="people documents",
    retention=timedelta(days=400),
    least_retention=timedelta(days=31),
    only="people",
    pollers=_pollers,
    panels=True,
)
