"""Whose the key is rests on more than one answer, and names outlive an inventory that cannot be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
import structlog

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.admin_api.replies import ApiKey, Workspace
from anthropic_metrics.errors import AuthError, BadRequest, RetryLater, WrongOrganization
from anthropic_metrics.kernel.inventory import REFRESH, REFRESH_FOR_PROBLEMS, Inventory
from anthropic_metrics.kernel.names import Identity, Names, usable_tags

NOW = datetime(2026, 11, 21, 10, 42, 7, tzinfo=UTC)
HOUR_LATER = NOW + REFRESH
FORBIDDEN = AuthError("403", status=403)


@dataclass
class Api:
    """An inventory as the Admin API tells it; what is an error is raised."""

    me: Any = field(default_factory=lambda: {"id": "org-1", "name": "Acme"})
    workspaces: Any = field(default_factory=lambda: [{"id": "w1", "name": "Research", "tags": {"team": "r"}}])
    api_keys: Any = field(default_factory=lambda: [{"id": "k1", "name": "nightly"}])
    organization_id: str | None = None
    asked: list[str] = field(default_factory=list)

    def get(self, path: str, params: Any = (), **_: Any) -> Any:
        what = path.rpartition("/")[2]
        self.asked.append(what)
        answer = getattr(self, what)
        if isinstance(answer, Exception):
            raise answer
        return answer if what == "me" else {"data": answer, "has_more": False}


@dataclass
class Remembered:
    """What an earlier process left behind."""

    known: Identity | None = None
    called: Names | None = None

    def organization(self) -> Identity | None:
        return self.known

    def names(self, organization_id: str) -> Names | None:
        return self.called if self.called and self.called.organization_id == organization_id else None


ACME = Remembered(
    Identity("org-1", "Acme"),
    Names.of("org-1", None, [Workspace(id="w1", name="Research")], [ApiKey(id="k1", name="nightly")]),
)


def inventory(api: Api, memory: Remembered | None = None, **settings: Any) -> Inventory:
    return Inventory(AdminDirectory(cast(AdminClient, api)), memory=memory, **settings)


def test_another_organization_stops_everything_until_the_first_one_is_back() -> None:
    api = Api()
    names = inventory(api)
    before = names.names(NOW)
    api.me = {"id": "org-2", "name": "Beta"}
    for moment in (HOUR_LATER, HOUR_LATER + timedelta(seconds=1)):
        with pytest.raises(WrongOrganization) as wrong:
            names.names(moment)
    assert "organization org-2 (Beta), but its polls so far were for org-1 (Acme)" in wrong.value.message
    assert "set anthropic.organization_id" in wrong.value.cure
    api.me = RetryLater("away")
    with pytest.raises(RetryLater):
        names.names(HOUR_LATER)
    api.me = {"id": "org-1", "name": "Acme"}
    assert names.names(HOUR_LATER) == before


def test_a_key_that_polled_before_is_held_to_the_organization_it_polled_for() -> None:
    with pytest.raises(WrongOrganization, match=r"org-2.* org-1"):
        inventory(Api(me={"id": "org-2", "name": "Beta"}), ACME).names(NOW)


def test_a_new_key_is_believed() -> None:
    assert inventory(Api(), Remembered()).names(NOW).organization_id == "org-1"


def test_the_configured_organization_decides() -> None:
    moved = inventory(Api(me={"id": "org-2", "name": "Beta"}), ACME, organization_id="org-2")
    assert moved.names(NOW).organization_id == "org-2"
    with pytest.raises(WrongOrganization, match=r"anthropic.organization_id names org-3"):
        inventory(Api(), ACME, organization_id="org-3").names(NOW)


@pytest.mark.parametrize("refusal", [FORBIDDEN, BadRequest("404", status=404), {"id": None}])
@pytest.mark.parametrize(
    ("memory", "settings", "header", "named"),
    [
        (ACME, {}, None, ("org-1", "Acme")),
        (None, {"organization_id": "org-1"}, None, ("org-1", None)),
        (None, {}, "org-1", ("org-1", None)),
    ],
)
def test_without_an_answer_about_the_organization_its_identity_falls_back(
    refusal: Any, memory: Remembered | None, settings: dict[str, str], header: str | None, named: Any
) -> None:
    names = inventory(Api(me=refusal, organization_id=header), memory, **settings)
    found = names.names(NOW)
    assert (found.organization_id, found.organization_name) == named
    assert found.api_keys == {"k1": "nightly"}
    assert names.problems.total == 1
    assert names.problems.bad_rows[0][0] == "organization"


def test_a_refused_key_is_no_reason_to_fall_back() -> None:
    with pytest.raises(AuthError):
        inventory(Api(me=AuthError("401")), ACME).names(NOW)


def test_an_organization_without_a_name_is_known_by_its_id() -> None:
    assert inventory(Api(me={"id": "org-1", "name": None})).names(NOW).organization_name is None
    assert inventory(Api(me={"id": "org-1", "name": None}), ACME).names(NOW).organization_name == "Acme"


@pytest.mark.parametrize("emptied", [[], None, FORBIDDEN, {"not": "a list"}, [{"id": "w1", "name": None}]])
@pytest.mark.parametrize("restarted", [False, True])
def test_an_inventory_that_shrinks_to_nothing_keeps_the_names_it_had(emptied: Any, restarted: bool) -> None:
    api = Api()
    names = inventory(api, ACME)
    if not restarted:
        names.names(NOW)
    api.workspaces = api.api_keys = emptied
    found = names.names(HOUR_LATER)
    assert found.workspaces["w1"].name == "Research"
    assert found.api_keys == {"k1": "nightly"}


def test_of_a_list_that_is_partly_refused_the_good_part_is_new_and_the_rest_stays() -> None:
    api = Api(api_keys=[{"id": "k1", "name": "nightly"}, {"id": "k2", "name": "weekly"}])
    names = inventory(api)
    names.names(NOW)
    api.api_keys = [{"id": "k1", "name": "hourly"}, {"id": "k2", "name": 7}]
    assert names.names(HOUR_LATER).api_keys == {"k1": "hourly", "k2": "weekly"}
    assert names.problems.total == 1
    api.api_keys = [{"id": "k1", "name": "hourly"}]
    assert names.names(HOUR_LATER + REFRESH_FOR_PROBLEMS).api_keys == {"k1": "hourly"}
    assert names.problems.total == 0


def test_a_field_nobody_knows_is_named_once_and_is_no_problem_of_the_polls() -> None:
    names = inventory(Api(workspaces=[{"id": "w1", "name": "Research", "mood": "good"}]))
    with structlog.testing.capture_logs() as events:
        names.names(NOW)
        names.names(HOUR_LATER)
    assert [event["fields"] for event in events if event["event"] == "unknown_fields"] == [["mood"]]
    assert not names.problems.unknown_fields


def test_a_list_that_is_refused_does_not_keep_the_other_from_being_read() -> None:
    api = Api()
    names = inventory(api)
    names.names(NOW)
    api.workspaces, api.api_keys = FORBIDDEN, [{"id": "k1", "name": "renamed"}]
    found = names.names(HOUR_LATER)
    assert (found.workspaces["w1"].name, found.api_keys) == ("Research", {"k1": "renamed"})


def test_a_tag_that_cannot_be_a_field_is_dropped_and_named_once() -> None:
    tags: dict[str, Any] = {"team": "r", "cost.center": "7", "": "x", " ": "x", "env": None, ".a": "x"}
    api = Api(workspaces=[{"id": "w1", "name": "Research", "tags": tags}])
    names = inventory(api)
    with structlog.testing.capture_logs() as events:
        found = names.names(NOW)
        names.names(HOUR_LATER)
    assert found.workspaces["w1"].tags == {"cost.center": "7", "team": "r"}
    (told,) = [event for event in events if event["event"] == "tags_dropped"]
    assert told["tags"] == {"w1": ["", " ", ".a", "env"]}


@pytest.mark.parametrize("key", ["", " ", ".", "a.", ".a", "a..b", "a. .b", "a\x00b", "a\nb", "x" * 257])
def test_users_words_become_field_names_only_if_they_can(key: str) -> None:
    assert usable_tags({key: "x"}) == {}
