"""A configured team always has a line, and where it has nothing the reader is told why."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from anthropic_metrics.config import Config
from anthropic_metrics.finance.grouping import By, Labels, group
from anthropic_metrics.finance.teams import Owners, teams_without
from anthropic_metrics.spend.sums import By as SpentBy
from anthropic_metrics.spend.sums import sums
from tests.harness.finance_samples import TEAMS, charge, names

LATE: Mapping[str, object] = {"team": "late", "workspaces": ("wrkspc_a",)}
IDLE: Mapping[str, object] = {"team": "idle", "workspaces": ("Lab",)}
ALL = names(*TEAMS, LATE, IDLE)
CHARGES = [charge("5"), charge("3", "wrkspc_b", "apikey_2")]


@pytest.mark.parametrize("ways", [("team",), ("team", "key")])
def test_every_team_has_a_group_whatever_it_spent(ways: tuple[str, ...]) -> None:
    groups = group(CHARGES, By(ways), Labels(ALL), teams=ALL.teams.names)

    assert [(each.labels[0], str(each.amount)) for each in groups] == [
        ("platform", "5"),
        ("night", "3"),
        ("idle", "0"),
        ("late", "0"),
    ]
    assert all(len(each.labels) == len(ways) for each in groups)
    assert len(group(CHARGES, By(("key", "team")), Labels(ALL), teams=ALL.teams.names)) == 2


def test_a_team_with_nothing_is_told_who_took_it_or_that_nothing_was_used() -> None:
    told = teams_without((each.dimensions for each in CHARGES), ALL, "2026-10")

    assert set(told) == {"late", "idle"}
    assert "belongs to platform, further up in the list, where the first match wins." in told["late"]
    assert told["idle"] == (
        "Team idle has nothing: nothing that its entry in `teams` names was used in 2026-10."
    )


def test_a_team_with_a_wrong_name_is_not_said_to_have_used_nothing() -> None:
    told = teams_without((each.dimensions for each in CHARGES), ALL, "2026-10", {"idle", "late"})

    assert set(told) == {"late"}, "whose workspace exists and belongs to another team"


def configured(*teams: Mapping[str, object]) -> Config:
    return Config.model_validate({"teams": list(teams)})


def document(workspace: Mapping[str, Any], key: Mapping[str, Any], team: str) -> dict[str, Any]:
    spent = {"amount_exact": "2", "basis": "allocated", "total_tokens": 5}
    return {
        "@timestamp": datetime(2026, 10, 5, tzinfo=UTC).isoformat(),
        "anthropic": {"workspace": workspace, "api_key": key, "team": {"name": team}, "spend": spent},
    }


def test_the_spend_stream_says_the_same_from_its_own_documents() -> None:
    owners = Owners(ALL.teams)
    prod = {"id": "wrkspc_a", "name": "Prod", "tags": {"team": "platform"}}
    sources = [document(prod, {}, "platform"), document({}, {"id": "apikey_2", "name": "nightly"}, "night")]

    lines = sums(owners.seen(sources), SpentBy.team, ALL.teams.names)

    assert {line.name: str(line.usd) for line in lines} == {
        "platform": "2",
        "night": "2",
        "late": "0",
        "idle": "0",
    }
    config = configured(*TEAMS, LATE, IDLE)
    lab = document({"id": "wrkspc_c", "name": "Lab"}, {}, "idle")
    notes = owners.notes(config, lambda: [lab])
    assert [note.split(":")[0] for note in notes] == ["Team late has nothing", "Team idle has nothing"]
    assert "belongs to platform" in notes[0]
    assert sums([], SpentBy.team, ALL.teams.names) == []
    assert Owners(ALL.teams).notes(config, list) == []


def test_a_name_that_no_document_of_any_time_has_is_unknown_and_was_not_merely_unused() -> None:
    wrong = {"team": "typo", "workspaces": ("Lob",)}
    config = configured(*TEAMS, IDLE, wrong)
    owners = Owners(names(*TEAMS, IDLE, wrong).teams)
    prod = {"id": "wrkspc_a", "name": "Prod", "tags": {"team": "platform"}}
    assert len(list(owners.seen([document(prod, {"id": "apikey_2", "name": "nightly"}, "platform")]))) == 1
    lab = document({"id": "wrkspc_c", "name": "Lab"}, {}, "idle")

    notes = owners.notes(config, lambda: [lab])

    assert notes[0] == (
        "teams: typo: there is no workspace Lob, so the team gets nothing from it; did you mean Lab? "
        "Correct the name under `teams`."
    )
    assert [note.split(":")[0] for note in notes[1:]] == ["Team night has nothing", "Team idle has nothing"]


def test_other_documents_are_not_read_where_those_of_the_range_have_every_name() -> None:
    owners = Owners(names(IDLE).teams)
    lab = document({"id": "wrkspc_c", "name": "Lab"}, {"id": "apikey_1"}, "idle")
    assert len(list(owners.seen([lab]))) == 1
    assert owners.notes(configured(IDLE), lambda: pytest.fail("read")) == []
