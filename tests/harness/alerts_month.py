"""The end of October, with budgets by the bill: one of them is only passed with the 31st."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from elasticsearch import Elasticsearch

from anthropic_metrics.config import AlertSettings
from anthropic_metrics.config.budgets import old_budgets
from anthropic_metrics.simulator import Simulation
from tests.harness.alerts_replay import DAY, HOUR, MONTH_END, Incident, Replay, at
from tests.harness.alerts_rival import rivals
from tests.harness.alerts_truth import month_cost
from tests.harness.alerts_world import ours, replay

MONTH, START, END = at("2026-10-01"), at("2026-10-27"), at("2026-11-05")


@dataclass(frozen=True)
class MonthEnd:
    """A month whose budget is only passed with its last day, the 31st, because of one dear day before."""

    budget_usd: float
    dear_day: datetime
    months_cost_usd: float

    def incidents(self) -> list[Incident]:
        """What the rules of the month should tell."""
        foreseen = self.dear_day + DAY + 6 * HOUR
        return [
            Incident("monthly_budget", "on the 31st", "2026-10", MONTH_END),
            Incident("month_end_forecast", "a dear day", "2026-10", foreseen),
        ]


@contextmanager
def at_month_end(es: Elasticsearch, url: str) -> Iterator[tuple[Replay, MonthEnd]]:
    """Nine days over the end of the month, played."""
    alerts = AlertSettings(rules=("monthly_budget", "month_end_forecast"))
    with replay(es, url, start=START, alerts=alerts, usage_every=None, cost_every=3 * HOUR) as played:
        what = _month_end(played.w.simulation)
        budgets = old_budgets(
            workspaces={"Production": what.months_cost_usd / 2},
            tags={"team=research": what.months_cost_usd / 2.5},
        )
        alerts = alerts.model_copy(update={"monthly_budget_usd": what.budget_usd})
        config = played.w.config.model_copy(update={"alerts": alerts, "budgets": budgets})
        monthly = [each for each in rivals(config) if each.key.endswith("monthly_budget")]
        played.watched = [*ours(config), *monthly]
        played.until(END)
        yield played, what


def _month_end(sim: Simulation) -> MonthEnd:
    """Make 28 October dear, and a budget that the month's other days do not reach without the last."""
    dear = at("2026-10-28")
    sim.edits.revise_cost(dear, factor=6)
    whole = month_cost(sim, MONTH, MONTH_END, MONTH_END)
    last = month_cost(sim, MONTH_END - DAY, MONTH_END, MONTH_END)
    return MonthEnd(round(whole - 0.9 * last, 2), dear, whole)
