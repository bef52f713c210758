"""Counts the budgets after each poll of what they count, for the board in memory and the agent stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.budgets.board import Board
from anthropic_metrics.budgets.count import Counter
from anthropic_metrics.budgets.documents import ACTION, budget_documents
from anthropic_metrics.budgets.ledger import collects_spend, counted_every
from anthropic_metrics.budgets.limits import SpendLimits
from anthropic_metrics.budgets.period import period_of
from anthropic_metrics.budgets.state import BudgetState
from anthropic_metrics.config import Config
from anthropic_metrics.config.budgets import PERIODS, BudgetPeriod
from anthropic_metrics.kernel.datasets import AGENT, COST, SPEND, stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Progress, Sink, Terms
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.snapshot import SnapshotPoller
from anthropic_metrics.kernel.tally import Tally

JOB = "budgets"


class BudgetPoller(SnapshotPoller):
    """A `kernel.ports.Poller`: budgets follow spend where it is collected, else the bill.

    `board` gets the states whether or not they can be written.
    """

    def __init__(
        self,
        config: Config,
        client: AdminClient,
        inventory: Inventory,
        board: Board,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        running = collects_spend(config)
        self.only, self.dataset = ("spend" if running else "cost"), AGENT
        self.stream = stream_name(AGENT, config.namespace)
        self.terms: Terms = {"event.action": [ACTION]}
        self._after = SPEND if running else COST
        self._interval = counted_every(config)
        self._config = config
        self._inventory = inventory
        self._limits = SpendLimits(client)
        self._board = board
        self._clock = clock

    def live(self, sink: Sink) -> list[Job]:
        return [self._job(sink)]

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        return [self._job(sink)]

    def _job(self, sink: Sink) -> Job:
        def run(tally: Tally) -> Range:
            now = self._clock()
            names = self._inventory.names(now)
            counter = Counter(self._config, sink.ask, names)
            # The limits cost a request an hour; what they have wrong is theirs, not the budgets'.
            states = counter.states(now, self._limits.read(now, tally.answers, tally.aside))
            if self._limits.failure:
                tally.failures.append(self._limits.trouble)
            self._board.put(states, now)
            tally.silencing |= set(counter.problems())
            for period in PERIODS:
                self._keep(period, states, names, sink, tally, now)
            return period_of(now, "monthly")

        return Job(JOB, self.only, self.stream, self._interval, run, after=self._after)

    def _keep(
        self,
        period: BudgetPeriod,
        states: Sequence[BudgetState],
        names: Names,
        sink: Sink,
        tally: Tally,
        now: datetime,
    ) -> None:
        """The documents of the running period; those of periods that have ended stay as they were."""
        own = [state for state in states if state.budget.period == period]
        tally.add(
            sink.store.reconcile(
                self.stream,
                period_of(now, period),
                budget_documents(own, names, self._config.namespace, now),
                organization_id=names.organization_id,
                terms={**self.terms, "anthropic.budget.period": [period]},
                now=now,
                confirm_after=self._interval,
                # A limit that could not be read has not been removed.
                deletes=not self._limits.trouble,
            )
        )
