"""A simulated organization that finance asks, a clock that stands still, and commands run against it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from anthropic_metrics.cli import app
from anthropic_metrics.errors import MetricsError
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer
from anthropic_metrics.simulator.analytics import Terms

NOW = datetime(2026, 11, 25, 16, 30, tzinfo=UTC)
FIRST_DAY = datetime(2026, 8, 20, tzinfo=UTC)
TEAMS = [
    {"team": "platform", "tags": ["team=platform"], "cost_centre": 4100, "owner": "dana"},
    {"team": "nightly", "api_keys": ["nightly-batch"], "cost_centre": 4210},
    {"team": "research", "tags": ["team=research"], "cost_centre": 4200, "owner": "mateo"},
]
BUDGETS = [
    {"name": "everything", "usd": 1_000_000},
    {"name": "night", "api_key": "nightly-batch", "tokens": 1_000},
    {"name": "platform", "team": "platform", "usd": "0.01"},
    {"name": "gone", "workspace": "Nowhere", "usd": 5},
    {"name": "daily", "usd": 5, "period": "daily"},
]

PEOPLE = {"enabled": True, "salt": "a salt for tests only, long enough"}


@dataclass
class FinanceWorld:
    """The organization, and the file that configures the commands."""

    simulation: Simulation
    config: Path

    def bill(self, start: datetime, end: datetime) -> Decimal:
        """The truth: exact dollars of whole days, as the API knows them now."""
        rows = self.simulation.cost_rows(
            start, end, ("workspace_id", "description"), at=self.simulation.clock.now()
        )
        return sum((Decimal(row["amount"]) for row in rows), Decimal(0)) / 100

    def run(self, *arguments: str) -> Result:
        """A command in this process; errors of ours stay exceptions of the result."""
        return CliRunner().invoke(app, [*arguments, "--config", str(self.config)])

    def json(self, *arguments: str) -> dict[str, Any]:
        """What a command that succeeds says as JSON."""
        result = self.run(*arguments, "--format", "json")
        assert result.exit_code == 0, (result.output, result.exception)
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def refused(self, *arguments: str) -> str:
        """The one sentence with which a command refuses."""
        error = self.run(*arguments).exception
        assert isinstance(error, MetricsError), error
        return str(error)


@contextmanager
def finance_world(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FinanceWorld]:
    """A hundred days of a small organization whose last days are not settled."""
    clock = SettableClock(NOW)
    simulation = Simulation(clock, start=FIRST_DAY, series=16, revisions="usual")
    with SimulatorServer(simulation) as server:
        server.behaviour.analytics = Terms("on")
        config = folder / "config.yaml"
        anthropic = {"base_url": server.url, "admin_key": ADMIN_KEY, "requests_per_minute": 60_000}
        config.write_text(
            yaml.safe_dump({"anthropic": anthropic, "teams": TEAMS, "budgets": BUDGETS, "people": PEOPLE}),
            "utf-8",
        )
        for module in ("costs", "report"):
            monkeypatch.setattr(f"anthropic_metrics.cli.{module}.utc_now", clock.now)
        yield FinanceWorld(simulation, config)
