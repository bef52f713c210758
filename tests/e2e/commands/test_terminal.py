"""Names from outside on the user's terminal: literal, complete, in any encoding, and powerless."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.simulator import ADMIN_KEY, RealClock, Simulation, SimulatorServer
from tests.harness.command_line import run

NAME = "chat [/prod] \x1b[2J\x9b31m 客服 🚀"
ENCODINGS: list[dict[str, str]] = [
    {"PYTHONIOENCODING": "cp1252"},
    {"LC_ALL": "POSIX"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.fixture
def settings(elasticsearch_url: str, namespace: str) -> Iterator[dict[str, str]]:
    simulation = Simulation(RealClock(), days=1, series=3)
    for workspace in simulation.organization().workspaces:
        if workspace.report_id:
            simulation.edits.rename_workspace(workspace.id, NAME)
    with SimulatorServer(simulation) as server:
        yield {
            "ANTHROPIC_ADMIN_API_KEY": ADMIN_KEY,
            "ELASTICSEARCH_URL": elasticsearch_url,
            "ANTHROPIC_METRICS_ANTHROPIC__BASE_URL": server.url,
            "ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE": "6000",
            "ANTHROPIC_METRICS_NAMESPACE": namespace,
            "ANTHROPIC_METRICS_BACKFILL": "1d",
            "ANTHROPIC_METRICS_USAGE__MINUTE_BACKFILL": "10m",
        }


def test_a_name_is_shown_literally_in_a_table_and_exactly_in_json(
    tmp_path: Path, settings: dict[str, str], es: Elasticsearch
) -> None:
    assert run(tmp_path, "once", **settings).returncode == 0
    table = run(tmp_path, "headroom", "--since", "1h", **settings)
    assert table.returncode == 0, table.stderr
    assert "chat [/prod] \\x1b[2J\\x9b31m 客服 🚀" in table.stdout
    assert not {"\x1b", "\x9b"} & set(table.stdout + table.stderr)
    found = json.loads(run(tmp_path, "headroom", "--since", "1h", "--format", "json", **settings).stdout)
    assert "chat [/prod]" in {str(row["workspace"])[:12] for row in found["headroom"]}


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_no_encoding_of_the_terminal_breaks_a_command(
    tmp_path: Path, settings: dict[str, str], encoding: dict[str, str]
) -> None:
    done = run(tmp_path, "preview", "--only", "cost", **settings, **encoding)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    names = {json.loads(line)["anthropic"]["workspace"]["name"] for line in done.stdout.splitlines()}
    assert NAME in names
    budgets = {"ANTHROPIC_METRICS_BUDGETS__WORKSPACES": json.dumps({"客服 🚀": 5})}
    listed = run(tmp_path, "alerts", "list", **settings, **encoding, **budgets)
    assert (listed.returncode, "Traceback" in listed.stderr) == (0, False), listed.stderr
