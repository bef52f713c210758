"""`anthropic_metrics.headroom`: derived from usage by the minute and the rate limits."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from anthropic_metrics.documents.headroom import HeadroomDocument
from anthropic_metrics.streams.stream import Stream

if TYPE_CHECKING:
    from anthropic_metrics.agent.organization import Organization
    from anthropic_metrics.kernel.ports import Poller


def _pollers(organization: Organization) -> Iterator[Poller]:
    # Imported when it is called: the configuration reads the registry, and pollers read the configuration.
    from anthropic_metrics.derived.changes import Changes
    from anthropic_metrics.derived.poller import DerivedPoller
    from anthropic_metrics.headroom.derivation import Headroom

    if (derivation := Headroom.of(organization.config)) is not None:
        # A live poll never waits for fifteen days of minutes.
        lately = timedelta(days=1)
        yield DerivedPoller(
            Changes(derivation), organization.inventory, clock=organization.clock, live_for=lately
        )


STREAM = Stream(
    key="headroom",
    title="Headroom below each limit",
    about="five minutes of one limit: its peak minute as a share of the limit in force",
    document=HeadroomDocument,
    polled="5m",
    retained="headroom documents",
    retention=timedelta(days=90),
    only="headroom",
    pollers=_pollers,
    panels=True,
)
