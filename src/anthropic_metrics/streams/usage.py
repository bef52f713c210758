"""`anthropic_metrics.usage`, `usage_1m` and `usage_1d`: the Messages usage report at three widths."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from anthropic_metrics.documents.usage import NUMBERS, UsageDocument
from anthropic_metrics.kernel.ranges import WIDTHS, Width
from anthropic_metrics.streams.stream import Stream, Total

if TYPE_CHECKING:
    from anthropic_metrics.agent.organization import Organization
    from anthropic_metrics.kernel.ports import Poller

_TOTAL = Total("anthropic.usage.total_tokens", "tokens")
_COMPLETE = "anthropic.usage.bucket_complete"
_REREAD = timedelta(days=7)


def _pollers(organization: Organization, width: Width) -> Iterator[Poller]:
    # Imported when it is called: the configuration reads the registry, and pollers read the configuration.
    from anthropic_metrics.consistency.grains import GrainCheck
    from anthropic_metrics.reports.poller import ViewPoller
    from anthropic_metrics.reports.views import usage_view

    config, inventory, clock = organization.config, organization.inventory, organization.clock
    view = usage_view(config, width)
    if view is None:
        return
    yield ViewPoller(view, organization.client, inventory, clock=clock)
    coarser = (usage_view(config, other) for other in WIDTHS if WIDTHS[other] > WIDTHS[width])
    if (coarse := next(filter(None, coarser), None)) is not None:
        # Pollers of its own: they remember no answers, and so look at the stream again.
        poller = partial(ViewPoller, client=organization.client, inventory=inventory, clock=clock)
        yield GrainCheck(poller(view), poller(coarse), inventory, clock=clock)


HOURS = Stream(
    key="usage",
    title="Messages usage by the hour",
    about="a row of an hour's usage: model, workspace, key, tier, geo",
    document=UsageDocument,
    polled="5m",
    retained="hourly usage documents",
    retention=timedelta(days=400),
    least_retention=_REREAD,
    corrected=NUMBERS,
    complete=_COMPLETE,
    total=_TOTAL,
    only="usage",
    pollers=partial(_pollers, width="1h"),
    panels=True,
)
MINUTES = Stream(
    key="usage_1m",
    title="Messages usage by the minute",
    about="a row of a minute's usage, for the last 15 days before the first start and from then on",
    document=UsageDocument,
    polled="5m",
    retained="usage documents by the minute",
    retention=timedelta(days=30),
    corrected=NUMBERS,
    complete=_COMPLETE,
    total=_TOTAL,
    only="usage",
    pollers=partial(_pollers, width="1m"),
)
DAYS = Stream(
    key="usage_1d",
    title="Messages usage by the day",
    about="a row of a day's usage (off unless `usage.granularities` names 1d)",
    document=UsageDocument,
    polled="1h",
    retained="daily usage documents",
    least_retention=_REREAD,
    corrected=NUMBERS,
    complete=_COMPLETE,
    total=_TOTAL,
    only="usage",
    pollers=partial(_pollers, width="1d"),
)
