"""What there is to compute spend from at one moment: our own streams, and the analytics reports if any."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.spend.analytics import UNREADABLE, Analytics
from anthropic_metrics.spend.checks import CHECKS
from anthropic_metrics.spend.inputs import HOUR, Inputs
from anthropic_metrics.spend.learn import LOOK_BACK
from anthropic_metrics.spend.plan import SpendSources
from anthropic_metrics.spend.settle import day_of, settled

_BILLED = {"anthropic.spend.basis": ["billed"]}


@dataclass(frozen=True)
class SourceReader:
    """Reads what spend is computed from; `agent` is the stream with the checks of `stream`.

    `required`: the configuration says that the organization has the analytics reports.
    """

    stream: str
    agent: str
    settle_after: timedelta
    analytics: Analytics | None
    required: bool = False

    def read(
        self, inputs: Inputs, time_range: Range, now: datetime, tally: Tally, *, anew: bool = False
    ) -> SpendSources:
        """The state of everything; reports that cannot be read are a failure of the tally alone."""
        reach = Range(time_range.start - LOOK_BACK, time_range.end)
        usage, cost = inputs.usage_states(reach), inputs.cost_states(reach)
        own = (self.stream, inputs.organization_id, time_range, HOUR)
        checks = (self.agent, inputs.organization_id, time_range, HOUR)
        waiting = inputs.ask.windows(*own, missing=True) | inputs.ask.windows(
            *checks, missing=True, terms=CHECKS
        )
        sources = SpendSources(
            usage,
            cost,
            inputs.ask.windows(*own),
            waiting,
            {day for day in cost if settled(day, now, cost, self.settle_after)},
        )
        if self.analytics is None:
            return sources
        try:
            totals = self.analytics.totals(time_range, now, tally, anew=anew)
        except UNREADABLE as error:
            tally.failures.append(f"The analytics reports could not be read: {error.message}")
            totals = self.analytics.last(now)
            if totals is None:
                # What was billed stays: nothing says that it is not right.
                billed = inputs.ask.windows(*own, terms=_BILLED)
                return replace(sources, untouched={day_of(hour) for hour in billed})
        if totals is None:
            if self.required:
                tally.failures.append(f"spend.source is analytics: {self.analytics.absence}")
            return sources
        hours = {
            hour: total for hour, total in totals.hours.items() if time_range.start <= hour < time_range.end
        }
        return replace(sources, billed=hours, loaded=totals.refreshed_at)
