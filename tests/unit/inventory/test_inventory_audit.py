"""`audit` compares the inventory stream with what the Admin API lists now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.audit.compare import Audited
from anthropic_metrics.audit.inventory import audit_inventory
from anthropic_metrics.inventory.poller import InventoryPoller
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.simulator import SettableClock, Simulation
from anthropic_metrics.simulator.api import AdminApi
from tests.harness.memory_inventory import InventoryWorld, Latest
from tests.harness.memory_streams import Wire

START = datetime(2026, 8, 24, 10, 20, tzinfo=UTC)


def world(*, org_admin: bool = True) -> InventoryWorld:
    clock = SettableClock(START)
    api = AdminApi(Simulation(clock, days=1, series=2))
    api.behaviour.org_admin = org_admin
    return InventoryWorld(Wire(api, clock))


def audited(made: InventoryWorld) -> tuple[Audited | None, dict[str, str]]:
    now = made.wire.clock.now
    inventory = Inventory(AdminDirectory(made.client))
    poller = InventoryPoller(made.config, made.client, inventory, clock=now)
    organization = inventory.names(now()).organization_id
    return audit_inventory(Latest(streams=made.streams), poller, organization, now())


def test_an_inventory_that_was_just_polled_is_equal_also_two_days_later() -> None:
    made = world()
    made.poll()
    for days in (0, 2):
        made.wire.clock.advance(timedelta(days=days))
        result, refused = audited(made)
        assert result is not None
        assert (result.equal, refused) == (True, {})
        assert result.documents_here == result.documents_there > 10
        assert result.window.start == START.replace(hour=0, minute=0)


def rename(made: InventoryWorld) -> None:
    staging = made.wire.api.simulation.organization().named("Staging")
    made.wire.api.simulation.edits.rename_workspace(staging.id, "Acceptance")


def disable(made: InventoryWorld) -> None:
    key = made.wire.api.simulation.organization().key("notebooks")
    made.wire.api.simulation.edits.change_api_key(key.id, status="inactive")


def delete(made: InventoryWorld) -> None:
    key = made.wire.api.simulation.organization().key("notebooks")
    made.wire.api.simulation.edits.delete_api_key(key.id)


def add_long_ago(made: InventoryWorld) -> None:
    """A workspace that the poll should have seen."""
    space = made.wire.api.simulation.organization().named("Staging")
    early = replace(space, id="wrkspc_01New", name="Pilot", created_at=START - timedelta(days=9))
    made.wire.api.simulation.edits.add_workspace(early)


@pytest.mark.parametrize(
    ("act", "kind", "of", "fields"),
    [
        (rename, "changed", "name=Staging", {"name": ("Staging", "Acceptance")}),
        (disable, "changed", "name=notebooks", {"state": ("active", "inactive")}),
        (delete, "extra", "name=notebooks", {}),
        (add_long_ago, "missing", "name=Pilot", {}),
    ],
)
def test_what_the_stream_has_otherwise_than_the_lists_is_a_difference(
    act: Callable[[InventoryWorld], None], kind: str, of: str, fields: dict[str, tuple[str, str]]
) -> None:
    made = world()
    made.poll()
    made.wire.clock.advance(timedelta(minutes=1))
    act(made)
    result, _ = audited(made)
    assert result is not None
    (difference,) = result.differences
    assert (difference.kind, difference.fields) == (kind, fields)
    assert difference.dimensions.endswith(of)
    made.later(hours=1)
    made.later(hours=1)
    assert (again := audited(made)[0]) is not None
    assert again.equal


def test_what_was_created_after_the_last_poll_is_not_missing_yet() -> None:
    made = world()
    made.poll()
    made.wire.clock.advance(timedelta(minutes=1))
    space = made.wire.api.simulation.organization().named("Staging")
    young = replace(space, id="wrkspc_01New", name="Pilot", created_at=made.wire.clock.now())
    made.wire.api.simulation.edits.add_workspace(young)
    assert (result := audited(made)[0]) is not None
    assert result.equal


def test_a_list_that_the_key_may_not_read_is_named_and_the_others_are_compared() -> None:
    made = world(org_admin=False)
    made.poll()
    result, refused = audited(made)
    assert result is not None
    assert (result.equal, list(refused)) == (True, ["service_account"])


def test_an_empty_stream_is_not_compared() -> None:
    assert audited(world()) == (None, {})
