"""When the inventory is read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer

NOW = datetime(2026, 11, 21, 10, 42, 7, tzinfo=UTC)


def test_a_clock_that_was_set_back_does_not_keep_old_names() -> None:
    clock = SettableClock(NOW)
    simulation = Simulation(clock, days=1, series=1)
    with SimulatorServer(simulation) as server:
        settings = AnthropicSettings(
            base_url=server.url, admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
        )
        with AdminClient(settings) as client:
            inventory = Inventory(AdminDirectory(client))
            inventory.names(NOW + timedelta(days=400))
            (_, workspace, *_) = simulation.organization().workspaces
            simulation.edits.rename_workspace(workspace.id, "Another name", at=NOW)
            assert inventory.names(NOW).workspaces[workspace.id].name == "Another name"
