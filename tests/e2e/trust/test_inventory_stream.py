"""The inventory beside usage, spend and limits: what one pass over everything joins to each resource."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from typer.testing import CliRunner

from anthropic_metrics.cli import app
from tests.harness.world import World, world

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
DAYS = 3


@pytest.fixture(scope="module")
def joined(es: Elasticsearch, elasticsearch_url: str) -> Iterator[World]:
    with world(es, elasticsearch_url, "inventory", now=NOW, days=DAYS, series=12) as made:
        made.once()
        yield made


def of_kind(made: World, kind: str) -> dict[str, dict[str, Any]]:
    sources = (source["anthropic"] for source in made.sources("inventory"))
    found = [each for each in sources if each["inventory"]["type"] == kind]
    by_id = {each["inventory"]["id"]: each for each in found}
    assert len(by_id) == len(found)
    return by_id


def true_use(made: World, dimension: str) -> dict[str | None, tuple[str, str, int]]:
    """From the reports: first and last hour with use and tokens."""
    start = (NOW - timedelta(days=DAYS)).replace(hour=0, minute=0)
    found: dict[str | None, tuple[str, str, int]] = {}
    for row in made.simulation.usage_rows(start, NOW, "1h", (dimension,)):
        tokens = sum(row["cache_creation"].values()) + sum(
            row[name] for name in ("uncached_input_tokens", "cache_read_input_tokens", "output_tokens")
        )
        first, _, before = found.get(row[dimension], (row["starting_at"], "", 0))
        if tokens:
            found[row[dimension]] = first, row["starting_at"], before + tokens
    return found


def test_first_and_last_use_and_tokens_are_those_of_the_reports(joined: World) -> None:
    for kind, dimension in (("api_key", "api_key_id"), ("workspace", "workspace_id")):
        true, used = true_use(joined, dimension), 0
        for id_, each in of_kind(joined, kind).items():
            fields = each["inventory"]
            key = None if fields.get("is_default") else id_
            if key in true:
                used += 1
                said = (fields["first_used"], fields["last_used"], fields["tokens_30d"])
                assert said == true[key]
            else:
                assert ("last_used" in fields, fields["tokens_30d"]) == (False, 0)
        assert used > 2


def test_unused_days_count_from_the_last_use_else_from_what_is_held(joined: World) -> None:
    keys = {each["api_key"]["name"]: each["inventory"] for each in of_kind(joined, "api_key").values()}
    assert {keys[name]["days_unused"] for name in ("legacy-bot", "trial-2025")} == {DAYS}
    for fields in keys.values():
        if "last_used" in fields:
            day = datetime.fromisoformat(fields["last_used"]).date()
            assert fields["days_unused"] == (NOW.date() - day).days


def test_spend_of_all_keys_is_that_of_the_spend_stream(joined: World) -> None:
    spent: dict[str, Decimal] = {}
    for source in joined.sources("spend"):
        spend, key = source["anthropic"]["spend"], source["anthropic"]["api_key"]["id"]
        spent[key] = spent.get(key, Decimal(0)) + Decimal(spend.get("amount_exact", "0"))
    for id_, each in of_kind(joined, "api_key").items():
        said = Decimal(str(each["inventory"]["spend_usd_30d"]))
        assert abs(said - spent.get(id_, Decimal(0))) <= Decimal("0.0001")
    assert sum(spent.values()) > 0


def test_only_workspaces_with_overrides_have_limits_of_their_own(joined: World) -> None:
    organization = joined.simulation.organization(NOW)
    limited = {each.workspace_id for each in organization.overrides if each.limits}
    spaces = of_kind(joined, "workspace")
    counted = {id_: each["inventory"].get("own_limits") for id_, each in spaces.items()}
    assert {id_ for id_, count in counted.items() if count} == limited
    default = next(each.id for each in organization.workspaces if each.default)
    assert counted[default] is None
    assert 0 in counted.values()


def test_the_command_shows_each_key_with_its_use_and_finds_the_unused_ones(
    joined: World, tmp_path: Path
) -> None:
    path = tmp_path / "config.yaml"
    hosts = list(joined.config.elasticsearch.hosts)
    path.write_text(json.dumps({"elasticsearch": {"hosts": hosts}, "namespace": joined.config.namespace}))

    def run(*options: str) -> dict[str, Any]:
        done = CliRunner().invoke(app, ["keys", *options, "--config", str(path), "--format", "json"])
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    every = {row["id"]: row for row in run()["keys"]}
    fields = {id_: each["inventory"] for id_, each in of_kind(joined, "api_key").items()}
    assert {id_: row["tokens_30d"] for id_, row in every.items()} == {
        id_: each["tokens_30d"] for id_, each in fields.items()
    }
    unused = {id_ for id_, each in fields.items() if each["state"] == "active" and each["days_unused"] >= 2}
    assert {row["id"] for row in run("--unused", "2d")["keys"]} == unused != set()
    assert run("--expiring", "30d")["keys"] == []
    groups = run("--by", "workspace")["groups"]
    assert sum(row["keys"] for row in groups) == len(every)


def test_a_second_pass_and_a_second_agent_change_nothing(joined: World) -> None:
    before = {source["anthropic"]["inventory"]["id"]: source for source in joined.sources("inventory")}
    tally = joined.once()["inventory"]
    assert (tally.created, tally.replaced, tally.deleted) == (0, 0, 0)
    after = {source["anthropic"]["inventory"]["id"]: source for source in joined.sources("inventory")}
    assert before == after
    changes = [each for each in joined.sources("agent") if each["event"]["action"] == "inventory_change"]
    assert changes == []
