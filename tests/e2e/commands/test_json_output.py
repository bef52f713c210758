"""What every command prints as JSON, with and without its options, is what its published schema says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from anthropic_metrics.cli import app, schemas
from anthropic_metrics.cli.reference import commands
from anthropic_metrics.simulator import ADMIN_KEY, RealClock, Simulation, SimulatorServer
from tests.harness.command_schemas import validate
from tests.servers.kibana import SimulatedKibana

DAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
WHAT_IF = ("headroom", "--since", "1d", "--model", "claude-sonnet-5-5")
# In this order: the first ones write what the others read.
INVOCATIONS: tuple[tuple[str, ...], ...] = (
    ("setup", "--dry-run"),
    ("setup", "--no-kibana", "--no-rules", "--with-traces", "--take-over"),
    ("setup",),
    ("once", "--only", "rate_limits", "--only", "cost"),
    ("once",),
    ("backfill", "--since", "3d"),
    ("backfill", "--since", "3d", "--until", "2d", "--only", "usage"),
    ("check",),
    ("audit",),
    ("audit", "--since", "3d", "--until", DAY, "--only", "cost"),
    ("corrections",),
    ("corrections", "--since", "1d"),
    ("spend",),
    ("spend", "--since", "12h", "--by", "workspace"),
    ("costs",),
    ("costs", "--month", "this-month", "--compare", "--team", "research"),
    ("costs", "--since", "3d", "--until", DAY, "--by", "team,model", "--by", "day", "--by", "tag:team"),
    ("costs", "--invoice", "12.34", "--by", "key"),
    ("report", "--by", "team", "--by", "tag:team"),
    ("report", "--month", "this-month", "--kind", "quota", "--overwrite"),
    ("headroom",),
    ("headroom", "--since", "1d", "--workspace", "Default"),
    (*WHAT_IF, "--limit", "output_tokens_per_minute=1000"),
    ("budgets",),
    ("keys",),
    ("keys", "--unused", "30d", "--expiring", "30d", "--by", "owner"),
    ("alerts", "list"),
    ("alerts", "evaluate"),
    ("alerts", "evaluate", "--at", "1h"),
    ("alerts", "suggest"),
    ("alerts", "suggest", "--days", "7"),
    ("alerts", "install", "--dry-run"),
    ("alerts", "install", "--overwrite"),
    ("alerts", "uninstall", "--dry-run"),
    ("alerts", "uninstall"),
    ("config", "validate"),
    ("config", "show"),
)
# Where to read, not what to print; the file of a report is held by each of its invocations, and these two are
# for other formats.
ELSEWHERE = {"--config", "--embedded", "--organization", "--format", "--output", "--bom", "--focus-version"}


@dataclass(frozen=True)
class Place:
    """A configuration of a tiny organization with budgets and teams, and a folder for files."""

    config: Path
    folder: Path

    def run(self, arguments: Sequence[str]) -> str:
        """The JSON of a command."""
        output = self.folder / "report.json"
        file = ("-o", str(output)) if arguments[0] == "report" else ()
        asked = [*arguments, *file, "--config", str(self.config), "--format", "json"]
        result = CliRunner().invoke(app, asked)
        assert isinstance(result.exception, SystemExit | None), (asked, result.exception)
        assert result.exit_code in (0, 1), (asked, result.output)
        return output.read_text("utf-8") if file else result.stdout


@pytest.fixture(scope="module")
def place(elasticsearch_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("json")
    simulation = Simulation(RealClock(), days=65, series=2)
    with SimulatorServer(simulation) as server, SimulatedKibana().running() as kibana:
        given = {
            "anthropic": {"base_url": server.url, "admin_key": ADMIN_KEY, "requests_per_minute": 60_000},
            "elasticsearch": {"hosts": [elasticsearch_url]},
            "kibana": {"url": kibana.url},
            "namespace": f"json{uuid4().hex[:8]}",
            "backfill": "2d",
            "usage": {"minute_backfill": "3h"},
            "alerts": {"evaluate": True},
            "teams": [{"team": "research", "workspaces": ["Default"], "cost_centre": "4711"}],
            "budgets": [
                {"name": "everything", "usd": 500},
                {"name": "team", "team": "research", "usd": "12.50", "period": "weekly"},
                {"name": "tokens", "tokens": 10_000_000},
            ],
        }
        path = folder / "config.yaml"
        path.write_text(json.dumps(given), encoding="utf-8")
        yield Place(path, folder)


def test_each_invocation_prints_what_the_published_schema_says(place: Place) -> None:
    tables = 0
    for arguments in INVOCATIONS:
        command = next(name for name in NAMES if tuple(name.split()) == arguments[: len(name.split())])
        printed = validate(command, place.run(arguments))
        rows = printed["tables"] if command == "report" else [printed[name] for name in printed]
        tables += sum(map(bool, rows))
    assert tables > len(INVOCATIONS)


NAMES = sorted(
    (name for name, command in commands() if any(option.name == "format" for option in command.params)),
    key=len,
    reverse=True,
)


def test_every_command_with_a_format_has_a_schema_and_is_run_with_and_without_each_of_its_options() -> None:
    for name, command in commands():
        if name not in NAMES:
            continue
        words = name.split()
        runs = [run[len(words) :] for run in INVOCATIONS if list(run[: len(words)]) == words]
        schema = json.loads((schemas.FOLDER / schemas.file_name(name)).read_text("utf-8"))
        Draft202012Validator.check_schema(schema)
        for option in command.params:
            names = {*option.opts, *option.secondary_opts}
            if option.name == "help" or names & ELSEWHERE:
                continue
            having = [bool(names & set(run)) for run in runs]
            assert any(having), f"{name} is not run with {option.opts[0]}"
            if not option.required:
                assert not all(having), f"{name} is not run without {option.opts[0]}"
