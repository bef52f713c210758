"""The inventory equals the simulated organization through a quarter of changes, day by day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.errors import AuthError, BadRequest
from anthropic_metrics.simulator import SettableClock, Simulation
from anthropic_metrics.simulator.api import AdminApi
from anthropic_metrics.simulator.organization import ApiKey
from tests.harness.memory_inventory import CONFIG, InventoryWorld
from tests.harness.memory_streams import Wire

START = datetime(2026, 8, 24, 10, 20, tzinfo=UTC)
DAY = timedelta(days=1)


def small(shape: Any = "new") -> InventoryWorld:
    clock = SettableClock(START)
    api = AdminApi(Simulation(clock, days=1, series=2))
    api.behaviour.org_admin = True
    api.behaviour.inventory_shape = shape
    return InventoryWorld(Wire(api, clock))


def truth(world: InventoryWorld) -> dict[str, dict[str, tuple[Any, ...]]]:
    """What the API says now, in its own terms: name, state, times and place of each resource."""
    sim, now = world.wire.api.simulation, world.wire.clock.now()
    return {
        "workspace": {
            row["id"]: (row["name"], "archived" if row["archived_at"] else "active", row["created_at"])
            for row in sim.workspaces(now)
        },
        "api_key": {
            row["id"]: (row["name"], row["status"], row["expires_at"], row["scope"].get("workspace_id"))
            for row in sim.api_keys(now)
        },
        "user": {row["id"]: (row["role"], row["added_at"]) for row in sim.users(now)},
        "service_account": {row["id"]: (row["name"],) for row in sim.service_accounts(now)},
    }


def kept(world: InventoryWorld, day: datetime) -> dict[str, dict[str, tuple[Any, ...]]]:
    """The day's documents in the same terms, those of deleted resources left out."""
    names = {
        "workspace": ("name", "state", "created_at"),
        "api_key": ("name", "state", "expires_at", "workspace_id"),
        "user": ("role", "created_at"),
        "service_account": ("name",),
    }
    return {
        kind: {
            id_: tuple(each["inventory"].get(name) for name in fields)
            for id_, each in world.of_day(day, kind).items()
            if each["inventory"]["state"] != "deleted"
        }
        for kind, fields in names.items()
    }


def script(world: InventoryWorld) -> dict[int, Any]:
    """What happens on which day of the quarter."""
    edits = world.wire.api.simulation.edits
    organization = world.wire.api.simulation.organization()
    staging, support = organization.named("Staging").id, organization.named("Customer Support").id
    ci, notebooks = organization.key("staging-ci").id, organization.key("notebooks").id
    template: ApiKey = organization.key("notebooks")
    now = world.wire.clock.now
    newcomer = replace(organization.named("Staging"), id="wrkspc_01New", name="Pilot", tags={"team": "x"})

    def rotation(number: int) -> None:
        old = notebooks if number == 1 else f"apikey_01Turn{number - 1}"
        successor = replace(template, id=f"apikey_01Turn{number}", created_at=now())
        edits.rotate_api_key(old, successor)

    return {
        3: lambda: edits.rename_workspace(staging, "Acceptance"),
        8: lambda: edits.add_workspace(replace(newcomer, created_at=now())),
        15: lambda: rotation(1),
        21: lambda: edits.change_api_key(ci, expires_at=now() + 30 * DAY),
        30: lambda: edits.change(lambda org: org.with_workspace("wrkspc_01New", tags={"team": "y"})),
        40: lambda: edits.archive_workspace(support),
        45: lambda: rotation(2),
        52: lambda: edits.change_api_key(ci, status="expired"),
        60: lambda: edits.delete_api_key(ci),
        66: lambda: edits.change(lambda org: replace(org, users=org.users[:-1])),
        75: lambda: rotation(3),
        80: lambda: edits.change_api_key("apikey_01Turn3", status="inactive"),
    }


@pytest.fixture(scope="module")
def quarter() -> tuple[InventoryWorld, dict[datetime, Any]]:
    world = small()
    steps, days = script(world), {}
    world.poll()
    for number in range(1, 92):
        world.wire.clock.advance(DAY)
        if number in steps:
            world.poll()
            world.wire.clock.advance(timedelta(hours=1))
            steps[number]()
        world.poll(agents=2)
        if number in (60, 66):
            world.later(hours=1)
        days[world.wire.clock.now()] = truth(world)
    return world, days


def test_every_day_holds_each_resource_once_as_the_api_listed_it(
    quarter: tuple[InventoryWorld, dict[datetime, Any]],
) -> None:
    world, days = quarter
    assert len(days) == 91
    for day, true in days.items():
        # The API's own times are whole seconds in the same form.
        assert kept(world, day) == true, day


def test_each_change_is_recorded_once_with_old_and_new(
    quarter: tuple[InventoryWorld, dict[datetime, Any]],
) -> None:
    world, _ = quarter
    told = world.told()
    assert [each for each in told if each[0] == "renamed"] == [
        ("renamed", "Acceptance", "Staging", "Acceptance")
    ]
    assert [each for each in told if each[0] == "tag_changed"] == [("tag_changed", "Pilot", "x", "y")]
    assert [each[:2] for each in told if each[0] == "created"] == [("created", "Pilot")] + 3 * [
        ("created", "notebooks")
    ]
    archived = [name for why, name, *_ in told if why == "archived"]
    assert archived == ["notebooks", "Customer Support", "notebooks", "notebooks"]
    assert [each[:2] for each in told if each[0] == "expiry_changed"] == [("expiry_changed", "staging-ci")]
    assert [each[:2] for each in told if each[0] in ("expired", "deactivated")] == [
        ("expired", "staging-ci"),
        ("deactivated", "notebooks"),
    ]
    assert [(each[0], each[2], each[3]) for each in told if each[0] == "deleted"] == [
        ("deleted", "expired", "deleted"),
        ("deleted", "active", "deleted"),
    ]
    assert len(told) == 15


def test_a_created_key_says_by_whom_and_between_which_polls(
    quarter: tuple[InventoryWorld, dict[datetime, Any]],
) -> None:
    world, _ = quarter
    dana = world.wire.api.simulation.organization().users[0].id
    keys = [
        each["anthropic"]["inventory_change"]
        for each in world.changes.values()
        if each["anthropic"]["inventory_change"]["why"] == "created" and "api_key" in each["anthropic"]
    ]
    assert {each["by_id"] for each in keys} == {dana}


def test_a_deleted_resource_stands_on_the_day_of_its_deletion_and_on_no_later_one(
    quarter: tuple[InventoryWorld, dict[datetime, Any]],
) -> None:
    world, _ = quarter
    key = next(
        each["id"]
        for each in (source["anthropic"]["inventory_change"] for source in world.changes.values())
        if each["why"] == "deleted" and each["type"] == "api_key"
    )
    stood = [key in world.of_day(START + n * DAY, "api_key") for n in (59, 60, 61)]
    assert stood == [True, True, False]
    assert world.of_day(START + 60 * DAY, "api_key")[key]["inventory"]["state"] == "deleted"


def test_one_look_deletes_nothing() -> None:
    world = small()
    world.poll()
    key = world.wire.api.simulation.organization().key("notebooks").id
    deletion = world.wire.api.simulation.edits.delete_api_key(key)
    world.later(minutes=30)
    now = world.wire.clock.now()
    assert world.of_day(now, "api_key")[key]["inventory"]["state"] == "active"
    assert "absent_since" in world.of_day(now, "api_key")[key]["inventory"]
    world.wire.api.simulation.edits.take_back(deletion)
    world.later(hours=2)
    assert "absent_since" not in world.of_day(now, "api_key")[key]["inventory"]
    assert world.told() == []


def test_no_document_and_no_change_names_a_person_unless_told_to() -> None:
    world = small()
    world.poll()
    assert all("name" not in each["inventory"] for each in world.of_day(START, "user").values())
    named = small()
    named.config = CONFIG.model_copy(
        update={"inventory": CONFIG.inventory.model_copy(update={"people": "name"})}
    )
    named.poll()
    assert "Dana Example" in {each["inventory"]["name"] for each in named.of_day(START, "user").values()}
    for one in (world, named):
        assert "@lumenfield.example" not in str(one.streams.store.written)


@pytest.mark.parametrize("shape", ["new", "old"])
def test_the_default_workspace_has_its_own_id_and_the_name_that_usage_calls_it_by(shape: str) -> None:
    world = small(shape)
    world.poll()
    (default,) = (
        each for each in world.of_day(START, "workspace").values() if each["inventory"].get("is_default")
    )
    assert default["inventory"]["id"].startswith("wrkspc_")
    assert default["workspace"]["id"] == "Default"
    trial = next(
        each for each in world.of_day(START, "api_key").values() if each["api_key"]["name"] == "trial-2025"
    )
    assert trial["workspace"]["id"] == "Default"
    assert trial["inventory"]["workspace_id"] == default["inventory"]["id"]


def test_a_pass_shows_a_refused_list_in_its_note_and_not_again_in_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world, real = small(), AdminClient.get

    def get(self: AdminClient, asked: str, *args: Any, **options: Any) -> Any:
        if asked.endswith("/users"):
            raise AuthError("no", status=403)
        return real(self, asked, *args, **options)

    monkeypatch.setattr(AdminClient, "get", get)
    with structlog.testing.capture_logs() as events:
        (tally,) = world.poll(in_pass=True)
    assert len(tally.notes) == 1
    levels = [event["log_level"] for event in events if event["event"] == "inventory_list_refused"]
    assert levels == ["debug"]


@pytest.mark.parametrize("status", [403, 404])
@pytest.mark.parametrize("path", ["workspaces", "api_keys", "users", "service_accounts"])
def test_a_list_that_is_refused_leaves_the_others_working_and_says_so(
    path: str, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = small()
    world.poll()
    real = AdminClient.get
    refusal = AuthError("no", status=403) if status == 403 else BadRequest("no", status=404)

    def get(self: AdminClient, asked: str, *args: Any, **options: Any) -> Any:
        # The inventory of names asks for workspaces without the default one.
        if asked.endswith(f"/{path}") and (path != "workspaces" or ("include_default", "true") in args[0]):
            raise refusal
        return real(self, asked, *args, **options)

    monkeypatch.setattr(AdminClient, "get", get)
    organization = world.wire.api.simulation.organization()
    world.wire.api.simulation.edits.rename_workspace(organization.named("Staging").id, "Acceptance")
    world.wire.clock.advance(DAY)
    with structlog.testing.capture_logs() as events:
        (tally,) = world.poll()
        world.later(hours=2)  # another process, which must not warn again
    kind = path.removesuffix("s")
    levels = [event["log_level"] for event in events if event["event"] == "inventory_list_refused"]
    assert levels == ["warning", "debug"]
    assert tally.done
    assert [note for note in tally.notes if f"({status})" in note]
    (own,) = world.of_day(START + DAY, "organization").values()
    assert own["inventory"]["refused_lists"] == [kind]
    missing = {each for each in truth(world) if not world.of_day(START + DAY, each)}
    assert missing == {kind}
    assert world.told("deleted", "created") == []
