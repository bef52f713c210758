"""What /metrics says of the organization's own figures: today's spend, budgets, headroom (`health.figures`).

An existing Prometheus can alert on them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Labels = tuple[str, ...]
Values = Mapping[Labels, float]


@dataclass(frozen=True)
class Figures:
    """The figures of one organization, by the labels of their gauges."""

    spend: Values = field(default_factory=dict)
    spend_complete: Values = field(default_factory=dict)
    budget_limit: Values = field(default_factory=dict)
    budget_spent: Values = field(default_factory=dict)
    budget_complete: Values = field(default_factory=dict)
    peak: Values = field(default_factory=dict)


class FigureGauges(Collector):
    """The gauges of one organization, to be registered. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._figures = Figures()

    def put(self, figures: Figures) -> None:
        """Show these from now on."""
        with self._lock:
            self._figures = figures

    def collect(self) -> Iterator[Metric]:
        """Every gauge, without samples where nothing is known."""
        with self._lock:
            shown = self._figures
        budget = ("budget", "period", "unit")
        yield _gauge(
            "spend_today_dollars", "Spend of the UTC day so far, estimates included.", (), shown.spend
        )
        yield _gauge(
            "spend_today_complete",
            "Whether the day's spend is counted from its start (1) or its first hours are not read yet (0).",
            (),
            shown.spend_complete,
        )
        yield _gauge(
            "budget_limit",
            "What the budget allows in its period, dollars or tokens.",
            budget,
            shown.budget_limit,
        )
        yield _gauge(
            "budget_spent",
            "What the current period has spent of the budget, dollars or tokens.",
            budget,
            shown.budget_spent,
        )
        yield _gauge(
            "budget_complete",
            "Whether the current period is counted from its start (1) or from a later day (0).",
            budget,
            shown.budget_complete,
        )
        yield _gauge(
            "limit_peak_ratio",
            "Peak minute of the last hour as a share of the rate limit in force.",
            ("workspace", "group", "limit"),
            shown.peak,
        )


def _gauge(name: str, text: str, labels: Sequence[str], values: Values) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"anthropic_metrics_{name}", text, labels=labels)
    for label_values, value in values.items():
        family.add_metric(label_values, value)
    return family
