"""`anthropic_metrics.spend`: derived from usage by the hour and the bill, and the budgets that count it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from anthropic_metrics.documents.spend import SpendDocument
from anthropic_metrics.streams.stream import Stream

if TYPE_CHECKING:
    from anthropic_metrics.agent.organization import Organization
    from anthropic_metrics.kernel.ports import Poller


def _pollers(organization: Organization) -> Iterator[Poller]:
    # Imported when it is called: the configuration reads the registry, and pollers read the configuration.
    from anthropic_metrics.budgets.poller import BudgetPoller
    from anthropic_metrics.derived.poller import DerivedPoller
    from anthropic_metrics.reports.views import usage_view
    from anthropic_metrics.spend.analytics import Analytics
    from anthropic_metrics.spend.keeper import SpendKeeper

    config, inventory, clock = organization.config, organization.inventory, organization.clock
    hours = usage_view(config, "1h")
    if hours is not None and config.spend.enabled:
        analytics = None
        if config.spend.source != "allocation":
            analytics = Analytics(organization.client, hours.group_by, hours.filters)
        yield DerivedPoller(SpendKeeper(config, hours, analytics), inventory, clock=clock)
        yield BudgetPoller(config, organization.client, inventory, organization.budgets, clock=clock)


STREAM = Stream(
    key="spend",
    title="Spend by the hour, key and model",
    about="what one row of usage cost: estimated, then allocated from the bill or billed",
    document=SpendDocument,
    polled="5m",
    retained="spend documents",
    only="spend",
    pollers=_pollers,
    panels=True,
)
