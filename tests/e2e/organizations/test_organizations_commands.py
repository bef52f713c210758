"""Every command that reads says of each organization what is its own, and which there are."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from anthropic_metrics.cli import app
from anthropic_metrics.cli.overview import overview
from anthropic_metrics.kibana.ask import ask
from anthropic_metrics.kibana.definitions import load_bundle
from tests.harness.command_schemas import validate
from tests.harness.organizations import NOW, Several

SINCE = "2026-11-18"
COMMANDS = {
    "spend": ["spend", "--since", SINCE, "--by", "key"],
    "spend by workspace": ["spend", "--since", SINCE, "--by", "workspace"],
    "keys": ["keys"],
    "keys by owner": ["keys", "--by", "owner"],
    "headroom": ["headroom", "--since", SINCE],
    "headroom of a workspace": ["headroom", "--since", SINCE, "--workspace", "Production"],
    "what if": [
        *("headroom", "--since", SINCE, "--model", "claude-sonnet-5-5"),
        *("--limit", "output_tokens_per_minute=1000"),
    ],
    "corrections": ["corrections", "--since", SINCE],
    "budgets": ["budgets"],
    "costs": ["costs", "--since", SINCE, "--until", "2026-11-20", "--by", "workspace", "--compare"],
    "audit": ["audit", "--since", SINCE, "--until", "2026-11-20", "--only", "usage", "--only", "cost"],
    "check": ["check"],
    "alerts": ["alerts", "evaluate", "--at", "2026-11-20T09:00Z"],
    "alerts list": ["alerts", "list"],
}
# What holds only for the moment of an answer.
MOMENTARY = {"band", "details", "expires_in", "forecast", "forecast_high", "forecast_low", "reached"}


def run(arguments: list[str], config: Path) -> dict[str, Any]:
    result = CliRunner().invoke(app, [*arguments, "--config", str(config), "--format", "json"])
    assert result.exit_code in (0, 1), result.output
    name = " ".join(arguments[:2] if arguments[0] == "alerts" else arguments[:1])
    return validate(name, result.stdout)


def rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    tables = [value for name, value in found.items() if name not in ("notes", "problems")]
    return [row for table in tables for row in table]


def plain(found: list[dict[str, Any]]) -> list[str]:
    dropped = {"organization", *MOMENTARY}
    shown = [{name: value for name, value in row.items() if name not in dropped} for row in found]
    return sorted(json.dumps(row, sort_keys=True) for row in shown)


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_a_command_shows_the_organization_of_each_row_or_only_the_one_that_is_named(
    two: Several, command: list[str], tmp_path: Path
) -> None:
    config = two.written(tmp_path)
    everything = rows(run(command, config))
    shared = [row for row in everything if row["organization"] is None]
    for name in two.each:
        own = rows(run([*command, "--organization", name], config))
        wanted = [row for row in everything if row["organization"] == name]
        if command[0] in ("check", "alerts"):  # these say what is the same for all, too
            wanted += shared
        assert wanted or command[0] == "corrections"
        assert plain(own) == plain(wanted)


def test_corrections_are_those_of_the_organization_that_was_revised(two: Several, tmp_path: Path) -> None:
    found = rows(run(COMMANDS["corrections"], two.written(tmp_path)))
    assert {row["organization"] for row in found} == {"acme"}
    keys = {key["id"] for key in two.each["acme"].simulation.api_keys()}
    named = {each for row in found for each in row["dimensions"] if each.startswith("api_key_id=apikey_")}
    assert named
    assert {each.removeprefix("api_key_id=") for each in named} <= keys


def test_figures_of_a_command_are_those_of_the_organization_alone(two: Several, tmp_path: Path) -> None:
    config = two.written(tmp_path)
    spent = rows(run(COMMANDS["spend"], config))
    keys = rows(run(COMMANDS["keys"], config))
    for name, world in two.each.items():
        documents = [source["anthropic"]["spend"] for source in world.sources("spend")]
        tokens = sum(spend["total_tokens"] for spend in documents)
        assert sum(row["tokens"] for row in spent if row["organization"] == name) == tokens
        ids = {row["id"] for row in world.simulation.api_keys()}
        assert {row["id"] for row in keys if row["organization"] == name} == ids
    limits = [row for row in rows(run(COMMANDS["headroom"], config)) if row.get("peak") is not None]
    for name, world in two.each.items():
        peaks: dict[tuple[str, str, str], float] = {}
        for source in world.sources("headroom"):
            window, space = source["anthropic"]["headroom"], source["anthropic"].get("workspace", {})
            if not window["unmapped"]:
                key = space.get("name") or "", window["group_name"], window["limit_type"]
                peaks[key] = max(peaks.get(key, 0.0), window["peak_share"])
        own = [row for row in limits if row["organization"] == name]
        shown = {(row["workspace"] or "", row["limit_group"], row["limit"]): row["peak"] for row in own}
        assert shown == peaks
        assert len(shown) == len(own)
    budgets = [row for row in rows(run(COMMANDS["budgets"], config)) if row["budget"] == "everything"]
    states = {row["organization"]: row["state"] for row in budgets}
    assert states == {"acme": "incomplete", "acme-eu": "exceeded"}  # the month begins before the streams


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_an_unknown_organization_is_answered_with_those_there_are(
    two: Several, command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    result = CliRunner().invoke(
        app, [*command, "--organization", "acme-us", "--config", str(two.written(tmp_path))]
    )
    assert "acme, acme-eu" in str(result.exception)


def test_a_report_is_of_one_organization_and_asks_which(two: Several, tmp_path: Path) -> None:
    config = two.written(tmp_path)
    asked = ["report", "--month", "2026-11", "--config", str(config), "-o", str(tmp_path / "report.json")]
    refused = CliRunner().invoke(app, asked)
    assert "a report covers one organization; choose one of acme, acme-eu" in str(refused.exception)
    made = CliRunner().invoke(app, [*asked, "--organization", "acme-eu"])
    assert made.exit_code == 0, made.output
    report = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert report["organization"] == {"id": two.each["acme-eu"].id, "name": "acme-eu"}
    invoice = CliRunner().invoke(app, ["costs", "--invoice", "12", "--config", str(config)])
    assert "an invoice covers one organization" in str(invoice.exception)


def test_thresholds_of_one_organization_come_from_its_own_history(
    two: Several, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anthropic_metrics.cli.alerts.utc_now", lambda: NOW)
    config = two.written(tmp_path)

    def suggested(*options: str) -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {}
        for row in run(["alerts", "suggest", *options], config)["suggestions"]:
            found.setdefault(row["setting"], []).append(
                (row["organization"], row["suggested"], row["alerts"])
            )
        return found

    own = {name: suggested("--organization", name) for name in two.each}
    assert own["acme"] != own["acme-eu"]
    for name, found in own.items():
        assert {whose for rows in found.values() for whose, *_ in rows} == {name}
    (_, limit, _), *_ = suggested()["hourly_tokens"]
    assert limit == max(found["hourly_tokens"][0][1] for found in own.values())


def test_preview_and_digest_read_each_organization_or_one(two: Several, tmp_path: Path) -> None:
    config = str(two.written(tmp_path))
    preview = CliRunner().invoke(app, ["preview", "--only", "cost", "--config", config])
    names = {json.loads(line)["organization"]["name"] for line in preview.stdout.splitlines()}
    assert names == {"acme", "acme-eu"}
    digest = CliRunner().invoke(app, ["digest", "--print", "--shape", "json", "--config", config])
    assert [each["organization"] for each in json.loads(digest.stdout)] == ["acme", "acme-eu"]
    one = CliRunner().invoke(app, ["digest", "--print", "--organization", "acme", "--config", config])
    assert one.stdout.startswith("acme: $")


def test_the_organization_control_leaves_every_panel_with_its_own_documents(two: Several) -> None:
    start, namespace = NOW - timedelta(days=3), two.config.namespace

    def rows_of(query: str, field: str, value: str) -> list[str]:
        found = ask(two.es, query, start, NOW, namespace=namespace, chosen={field: [value]})
        return sorted(map(str, found.rows))

    for dashboard in load_bundle().dashboards:
        if dashboard.name == "requests":  # spans have the organization's id only
            continue
        assert "organization" in dashboard.controls, dashboard.name
        for panel in dashboard.queried():
            for world in two.each.values():
                chosen = rows_of(panel.query, "organization.name", world.name)
                assert chosen == rows_of(panel.query, "organization.id", world.id), panel.title


def test_the_summary_of_a_demo_adds_up_one_organization(two: Several) -> None:
    for world in two.each.values():
        found = overview(two.es, two.config.namespace, world.id)
        table = next(table for table in found.tables if table.layout.name == "spend_by_workspace")
        shown = sum(row["usd"] for row in table.objects())
        amounts = [source["anthropic"]["cost"]["amount_usd"] for source in world.sources("cost")]
        assert shown == pytest.approx(sum(amounts))


def test_a_rendered_page_is_of_the_organization_that_is_named(two: Several, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    asked = [
        "dashboards",
        "render",
        "--config",
        str(two.written(tmp_path)),
        "-o",
        str(page),
        "--since",
        SINCE,
    ]
    made = CliRunner().invoke(app, [*asked, "--organization", "ACME-EU"])
    assert made.exit_code == 0, made.output
    text = page.read_text("utf-8")
    assert "organization acme-eu" in text
    assert two.each["acme"].id not in text
