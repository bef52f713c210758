"""`anthropic_metrics.cost`: the cost report, and the budgets where there is no spend to count them by."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from anthropic_metrics.documents.cost import NUMBERS, CostDocument
from anthropic_metrics.streams.stream import Stream, Total

if TYPE_CHECKING:
    from anthropic_metrics.agent.organization import Organization
    from anthropic_metrics.kernel.ports import Poller


def _pollers(organization: Organization) -> Iterator[Poller]:
    # Imported when it is called: the configuration reads the registry, and pollers read the configuration.
    from anthropic_metrics.budgets.ledger import collects_spend
    from anthropic_metrics.budgets.poller import BudgetPoller
    from anthropic_metrics.reports.poller import ViewPoller
    from anthropic_metrics.reports.views import cost_view

    config, inventory, clock = organization.config, organization.inventory, organization.clock
    if (view := cost_view(config)) is not None:
        yield ViewPoller(view, organization.client, inventory, clock=clock)
        if not collects_spend(config):
            yield BudgetPoller(config, organization.client, inventory, organization.budgets, clock=clock)


STREAM = Stream(
    key="cost",
    title="Cost by the day and line item",
    about="a line item of a day's cost",
    document=CostDocument,
    polled="1h",
    retained="cost documents",
    least_retention=timedelta(days=31),
    corrected=NUMBERS,
    total=Total("anthropic.cost.amount_exact", "cents"),
    only="cost",
    pollers=_pollers,
    panels=True,
)
