"""Whom a row belongs to: the first team that matches, and nobody's where no teams are configured."""

from __future__ import annotations

from typing import Any

import pytest

from anthropic_metrics.admin_api.replies import ApiKey, Workspace
from anthropic_metrics.config.money import TeamSettings, teams_of
from anthropic_metrics.kernel.frame import paid_fields
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.teams import Teams

NAMES = Names.of(
    "org-1",
    "Example",
    [
        Workspace(id="wrkspc_a", name="Research", tags={"team": "science"}),
        Workspace(id="wrkspc_b", name="Production"),
    ],
    [ApiKey(id="apikey_1", name="nightly"), ApiKey(id="apikey_2", name="assistant")],
)


def team(row: dict[str, str | None], *teams: dict[str, Any]) -> str | None:
    settings = (TeamSettings.model_validate(each) for each in teams)
    found = NAMES.with_teams(teams_of(settings)).team_of(row)
    return None if found is None else found["name"]


@pytest.mark.parametrize(
    "match",
    [
        {"workspaces": ["wrkspc_a"]},
        {"workspaces": ["Research"]},
        {"api_keys": ["apikey_1"]},
        {"api_keys": ["nightly"]},
        {"tags": ["team=science"]},
        {"people": ["user_1"]},
        {"people": ["svac_1"]},
        {"workspaces": ["Elsewhere"], "api_keys": ["nightly"]},
    ],
)
def test_a_team_has_what_its_workspaces_keys_tags_or_people_name(match: dict[str, Any]) -> None:
    row: dict[str, str | None] = {
        "workspace_id": "wrkspc_a",
        "api_key_id": "apikey_1",
        "account_id": "user_1",
        "service_account_id": "svac_1",
    }

    assert team(row, {"team": "research", **match}) == "research"


def test_the_first_team_that_matches_counts_and_the_rest_is_unassigned() -> None:
    teams = ({"team": "nightly", "api_keys": ["nightly"]}, {"team": "research", "workspaces": ["Research"]})

    assert team({"workspace_id": "wrkspc_a", "api_key_id": "apikey_1"}, *teams) == "nightly"
    assert team({"workspace_id": "wrkspc_a", "api_key_id": "apikey_2"}, *teams) == "research"
    assert team({"workspace_id": "wrkspc_b", "api_key_id": "apikey_2"}, *teams) == "Unassigned"


def test_a_cost_row_follows_its_workspace_alone() -> None:
    teams = ({"team": "nightly", "api_keys": ["nightly"]}, {"team": "research", "workspaces": ["Research"]})

    assert team({"workspace_id": "wrkspc_a"}, *teams) == "research"


def test_the_default_workspace_has_a_team_too() -> None:
    assert team({"workspace_id": "Default"}, {"team": "staff", "workspaces": ["Default"]}) == "staff"


def test_without_teams_a_document_says_what_it_said_before() -> None:
    assert "team" not in paid_fields({"workspace_id": "wrkspc_a"}, NAMES)
    assert NAMES.with_teams(Teams()).digest == NAMES.digest


def test_another_mapping_is_another_digest_so_that_rows_are_stamped_anew() -> None:
    one, other = (
        NAMES.with_teams(teams_of([TeamSettings(team=name, workspaces=("Research",))])) for name in ("a", "b")
    )

    assert len({NAMES.digest, one.digest, other.digest}) == 3


def test_a_document_shows_the_teams_further_fields() -> None:
    settings = TeamSettings(
        team="research", workspaces=("Research",), owner="mateo", cost_centre="4711", project=None
    )

    found = paid_fields({"workspace_id": "wrkspc_a"}, NAMES.with_teams(teams_of([settings])))

    assert found["team"] == {"name": "research", "owner": "mateo", "cost_centre": "4711"}
