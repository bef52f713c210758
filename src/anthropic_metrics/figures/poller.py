"""Reads the figures of /metrics from the streams after each poll.

While they cannot be read they are absent: an old figure would look like a present one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from anthropic_metrics.budgets.board import Board, Body
from anthropic_metrics.budgets.ledger import Ledger, collects_spend, counted_every
from anthropic_metrics.budgets.period import period_of
from anthropic_metrics.config import Config
from anthropic_metrics.figures.gauges import FigureGauges, Figures, Labels, Values
from anthropic_metrics.kernel.datasets import AGENT, HEADROOM, stream_name
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally

LOOK_BACK = timedelta(hours=1)
"""Whose peak minute the headroom gauge shows."""
FRESH_FOR = 3
"""Intervals for which a counted budget is shown."""
_ALL = "(all)"  # the organization itself, as the command `headroom` writes it
_HEADROOM = "anthropic.headroom"
_FIELDS = (
    *(f"{_HEADROOM}.{name}" for name in ("peak_share", "group_name", "limit_type", "workspace_id")),
    "anthropic.workspace.name",
)


class FigurePoller:
    """A job of the agent that keeps the gauges of one organization; it writes nothing."""

    def __init__(
        self,
        config: Config,
        names: Callable[[datetime], Names],
        board: Board,
        gauges: FigureGauges,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._names = names
        self._board = board
        self._gauges = gauges
        self._clock = clock

    def job(self, sink: Sink, *, after: str | None) -> Job:
        """Follows the job `after`, best the one that counts the budgets; None: it has its own turns."""

        def run(tally: Tally) -> Range:
            now = self._clock()
            names = self._names(now)
            self._gauges.put(Figures())
            self._gauges.put(self.read(sink.ask, names, now))
            return Range(now - LOOK_BACK, now)

        stream = stream_name(AGENT, self._config.namespace)
        every = self._config.usage.interval
        return Job("figures", "figures", stream, every, run, after=after, needs=(HEADROOM,))

    def read(self, ask: Questions, names: Names, now: datetime) -> Figures:
        """The figures at `now`. Raises what the questions raise."""
        known = [body for body in self._counted() if not body["problem"]]
        spend, complete = self._spend(ask, names, now)
        return Figures(
            spend=spend,
            spend_complete=complete,
            budget_limit={_budget(body): float(body["limit"]) for body in known},
            budget_spent={_budget(body): float(body["spent"]) for body in known},
            budget_complete={_budget(body): float(body["complete"]) for body in known},
            peak=self._peak(ask, names, now),
        )

    def _counted(self) -> list[Body]:
        """The budgets as they were counted last; none where that was too long ago."""
        longest = (FRESH_FOR * counted_every(self._config)).total_seconds()
        bodies: list[Body] = (self._board.all() or {"budgets": []})["budgets"]
        return [body for body in bodies if body["age_seconds"] <= longest]

    def _spend(self, ask: Questions, names: Names, now: datetime) -> tuple[Values, Values]:
        """Today's spend, and whether the day is complete; nothing where only the bill is collected, which is
        a day late."""
        if not collects_spend(self._config):
            return {}, {}
        ledger = Ledger(ask, self._config.namespace, names.organization_id, from_spend=True)
        ledger.refresh()
        today = period_of(now, "daily")
        days = ledger.days({}, today)
        is_complete = ledger.coverage(today.start, now).is_whole(today.start, now)
        return {(): float(sum(day.total for day in days.values()))}, {(): float(is_complete)}

    def _peak(self, ask: Questions, names: Names, now: datetime) -> Values:
        """The highest share of each limit in the windows that began within the last hour."""
        stream = stream_name(HEADROOM, self._config.namespace)
        ask.refresh(stream)
        peaks: dict[Labels, float] = {}
        time_range = Range(now - LOOK_BACK, now)
        for _, source in ask.documents(stream, names.organization_id, time_range, _FIELDS):
            headroom = source["anthropic"].get("headroom", {})
            if "peak_share" not in headroom:
                continue
            whose = source["anthropic"].get("workspace", {}).get("name") or headroom.get("workspace_id")
            labels = (whose or _ALL, headroom["group_name"], headroom["limit_type"])
            peaks[labels] = max(peaks.get(labels, 0.0), float(headroom["peak_share"]))
        return peaks


def _budget(body: Body) -> Labels:
    return body["name"], body["period"], body["unit"]
