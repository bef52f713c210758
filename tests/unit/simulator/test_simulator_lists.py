"""Who may ask, and the endpoints that list things."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation
from anthropic_metrics.simulator.api import AdminApi

Ask = Callable[..., Any]


@pytest.mark.parametrize(
    ("key", "status", "kind"),
    [
        (ADMIN_KEY, 200, None),
        ("sk-ant-admin01-wrong", 401, "authentication_error"),
        (None, 401, "authentication_error"),
        ("sk-ant-api03-ordinary", 403, "permission_error"),
    ],
)
def test_only_an_admin_key_gets_in(ask: Ask, key: str | None, status: int, kind: str | None) -> None:
    answer = ask("/me", key=key)
    assert answer.status == status
    assert answer.body.get("error", {}).get("type") == kind
    assert answer.headers["request-id"].startswith("req_")


def test_keys_can_be_rotated_and_any_prefix_may_be_let_in(ask: Ask, api: AdminApi) -> None:
    api.admin_keys.clear()
    api.admin_keys.add("sk-ant-api03-personal")
    assert (ask("/me").status, ask("/me", key="sk-ant-api03-personal").status) == (401, 200)


def test_the_version_header_is_required(ask: Ask) -> None:
    assert ask("/me", headers={}).status == 400
    assert ask("/me", headers={"anthropic-version": "2020-01-01"}).status == 400


def test_unknown_paths_and_methods_are_refused(ask: Ask) -> None:
    assert ask("/usage_report/nothing").status == 404
    assert ask("/workspaces/wrkspc_none").status == 404
    assert ask("/me", method="POST").status == 405
    assert ask("/me", ("limit", "1")).status == 400


def test_me_names_the_organization(ask: Ask, simulation: Simulation) -> None:
    assert ask("/me").body == {
        "id": simulation.organization().id,
        "type": "organization",
        "name": "Lumenfield Labs",
    }


def test_archived_and_default_workspaces_come_when_asked_for(ask: Ask, clock: SettableClock) -> None:
    def names(*params: tuple[str, str]) -> set[str]:
        return {row["name"] for row in ask("/workspaces", *params).body["data"]}

    archived, default = ("include_archived", "true"), ("include_default", "true")
    living = {"Production", "Staging", "Data Science", "Customer Support"}
    assert names() == living
    assert names(archived) == living | {"Legacy Chatbot"}
    assert names(archived, default) == living | {"Legacy Chatbot", "Default"}
    clock.advance(timedelta(days=-13))
    assert names() == living | {"Legacy Chatbot"}, "before it was archived"
    assert {row["archived_at"] for row in ask("/workspaces").body["data"]} == {None}


@pytest.mark.parametrize("limit", [1, 3, 13, 20])
def test_lists_page_by_ids(ask: Ask, simulation: Simulation, limit: int) -> None:
    wanted = [row["id"] for row in simulation.api_keys()]
    got: list[str] = []
    after: tuple[tuple[str, str], ...] = ()
    while True:
        page = ask("/api_keys", ("limit", str(limit)), *after).body
        got += [row["id"] for row in page["data"]]
        assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
        if not page["has_more"]:
            break
        after = (("after_id", page["last_id"]),)
    assert got == wanted
    back = ask("/api_keys", ("before_id", wanted[3]), ("limit", "2")).body
    assert [row["id"] for row in back["data"]] == wanted[1:3]
    assert back["has_more"] is True


def test_lists_page_by_tokens_in_the_newer_style(ask: Ask, api: AdminApi, simulation: Simulation) -> None:
    api.behaviour.paging = "page"
    got: list[str] = []
    query: tuple[tuple[str, str], ...] = (("limit", "5"),)
    page = ask("/api_keys", *query).body
    while page["next_page"]:
        got += [row["id"] for row in page["data"]]
        page = ask("/api_keys", *query, ("page", page["next_page"])).body
    got += [row["id"] for row in page["data"]]
    assert got == [row["id"] for row in simulation.api_keys()]
    assert ask("/api_keys", ("after_id", got[0])).status == 400
    assert "last_id" not in page


def test_keys_tell_where_they_belong_in_both_shapes(ask: Ask, api: AdminApi, simulation: Simulation) -> None:
    default = simulation.organization().named("Default").id
    new = {row["name"]: row for row in ask("/api_keys").body["data"]}
    assert new["trial-2025"]["scope"] == {"type": "workspace", "workspace_id": default}
    assert new["finance-reports"]["scope"] == {"type": "organization"}
    assert new["finance-reports"]["principal"]["type"] == "service_account_actor"
    api.behaviour.inventory_shape = "old"
    old = {row["name"]: row for row in ask("/api_keys").body["data"]}
    assert old["trial-2025"]["workspace_id"] is None
    assert "scope" not in old["trial-2025"]
    assert old["staging-ci"]["workspace_id"] == simulation.organization().named("Staging").id


def test_keys_are_found_by_status_and_workspace(ask: Ask, simulation: Simulation) -> None:
    staging = simulation.organization().named("Staging").id
    inactive = ask("/api_keys", ("status", "inactive")).body["data"]
    assert [row["name"] for row in inactive] == ["staging-load-test"]
    found = ask("/api_keys", ("workspace_id", staging)).body["data"]
    assert {row["name"] for row in found} == {"staging-ci", "staging-load-test"}
    assert ask("/api_keys", ("status", "sleeping")).status == 400


def test_rate_limits_come_in_the_shape_that_is_set(ask: Ask, api: AdminApi) -> None:
    new = ask("/rate_limits").body
    assert new["next_page"] is None
    api.behaviour.rate_limit_shape = "old"
    old = ask("/rate_limits").body["data"]
    assert [row["group"]["type"] for row in new["data"]] == [row["group_type"] for row in old]
    assert [row["limits"] for row in new["data"]] == [row["limits"] for row in old]
    assert set(old[0]) == {"type", "group_type", "models", "limits"}


def test_rate_limit_groups_are_the_same_in_every_organization_and_entries_are_not(
    clock: SettableClock,
) -> None:
    one, two = (Simulation(clock, seed=seed, days=3).rate_limits() for seed in (1, 2))
    assert [row["group"] for row in one] == [row["group"] for row in two]
    assert not {row["id"] for row in one} & {row["id"] for row in two}


def test_rate_limits_are_found_by_model_alias_and_type_and_paged(ask: Ask) -> None:
    (sonnet,) = ask("/rate_limits", ("model", "claude-sonnet-4-5")).body["data"]
    assert "claude-sonnet-5-5" in sonnet["models"]
    assert ask("/rate_limits", ("model", "claude-none")).status == 404
    (batch,) = ask("/rate_limits", ("group_type", "batch")).body["data"]
    assert batch["models"] is None
    first = ask("/rate_limits", ("limit", "7")).body
    rest = ask("/rate_limits", ("limit", "7"), ("page", first["next_page"])).body
    assert first["data"] + rest["data"] == ask("/rate_limits").body["data"]
    assert rest["next_page"] is None
    assert ask("/rate_limits", ("limit", "1001")).status == 400


def test_a_workspace_lists_its_overrides_and_on_request_what_it_inherits(
    ask: Ask, simulation: Simulation
) -> None:
    staging = simulation.organization().named("Staging").id
    own = ask(f"/workspaces/{staging}/rate_limits").body["data"]
    assert {value["source"]["type"] for row in own for value in row["limits"]} == {"workspace"}
    plain = [v for row in own for v in row["limits"] if v["type"] == "input_tokens_per_minute"]
    assert plain == [
        {
            "type": "input_tokens_per_minute",
            "value": 250_000,
            "org_limit": None,
            "source": {"type": "workspace"},
        }
    ]
    both = ask(f"/workspaces/{staging}/rate_limits", ("include_inherited", "true")).body["data"]
    assert len(both) == len(ask("/rate_limits").body["data"]) > len(own)
    inherited = [v for row in both for v in row["limits"] if v["source"]["type"] == "organization"]
    assert inherited
    for row in both:
        kinds = [value["type"] for value in row["limits"]]
        assert len(kinds) == len(set(kinds)), "an override stands in place of what it overrides"
    assert all(value["value"] == value["org_limit"] for value in inherited)


def test_archived_and_unknown_workspaces_have_no_limits(ask: Ask, simulation: Simulation) -> None:
    organization = simulation.organization()
    archived, default = organization.named("Legacy Chatbot").id, organization.named("Default").id
    assert ask(f"/workspaces/{archived}/rate_limits").status == 404
    assert ask("/workspaces/wrkspc_none/rate_limits").status == 404
    assert ask(f"/workspaces/{default}/rate_limits").body["data"] == []


def test_spend_limits_name_their_scope_and_a_null_amount_is_no_cap(ask: Ask) -> None:
    rows = ask("/spend_limits").body["data"]
    assert [row["scope"]["type"] for row in rows].count("organization") == 1
    assert None in {row["amount"] for row in rows}


def test_more_requests_a_minute_than_allowed_are_429_until_time_passes(
    ask: Ask, api: AdminApi, clock: SettableClock
) -> None:
    api.behaviour.requests_per_minute = 3
    assert [ask("/me").status for _ in range(5)] == [200, 200, 200, 429, 429]
    refused = ask("/me")
    assert refused.headers["retry-after"] == "20"
    clock.advance(timedelta(seconds=20))
    assert [ask("/me").status for _ in range(2)] == [200, 429]
