"""Every command and option is documented, and every documented one exists."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from anthropic_metrics.cli import app
from anthropic_metrics.cli.late import COMMANDS
from anthropic_metrics.cli.reference import TARGET, commands, main, reference
from anthropic_metrics.config.problems import KEYS
from anthropic_metrics.config.schema import schema

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EVERY = dict(commands())
OF_THE_PROGRAM = {"--version", "--help", "-h", "--install-completion", "--show-completion"}


def options(command: Any) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def test_the_reference_is_what_the_commands_say() -> None:
    assert main(["--check"]) == 0
    assert TARGET.read_text("utf-8") == reference()


def test_every_command_and_option_is_in_the_reference() -> None:
    text = TARGET.read_text("utf-8")
    for name, command in EVERY.items():
        section = text.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert section, name
        assert [option for option in options(command) if f"`{option}`" not in section] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_every_command_and_option_that_a_page_names_exists(page: Path) -> None:
    # Of the shell's other programs the last word may be our name, as a service or a secret.
    text = re.sub(
        r"^(kubectl|helm|journalctl|systemctl) .*\n", "", page.read_text("utf-8"), flags=re.MULTILINE
    )
    for line in re.findall(r"anthropic-metrics ((?:-|[a-z])[^`\n#|;&]*)", text):
        words = line.split()
        if words[0] in OF_THE_PROGRAM or words[0] not in COMMANDS:
            assert not words[0].startswith("-") or words[0] in OF_THE_PROGRAM, line
            continue
        name = " ".join(words[:2]) if " ".join(words[:2]) in EVERY else words[0]
        if name not in EVERY:  # `alerts` alone
            continue
        named = {word.partition("=")[0] for word in words if re.fullmatch(r"--[a-z][a-z-]*(=.*)?", word)}
        assert named - options(EVERY[name]) - OF_THE_PROGRAM == set(), (page.name, line)


def test_every_command_with_a_table_takes_a_format() -> None:
    assert {name for name, command in EVERY.items() if "--format" in options(command)} >= {
        *("once", "backfill", "setup", "check", "audit", "corrections", "headroom", "config show"),
        *("alerts list", "alerts evaluate", "alerts install", "alerts uninstall"),
    }


@pytest.mark.parametrize("asked", ["--version", "-h", "--help"])
def test_the_program_answers_without_a_command(asked: str) -> None:
    done = CliRunner().invoke(app, [asked])
    assert done.exit_code == 0
    assert re.search(r"anthropic-metrics( \d|\b)", done.output)


def test_the_shell_completes_commands() -> None:
    environment = {
        "_ANTHROPIC_METRICS_COMPLETE": "complete_bash",
        "COMP_WORDS": "anthropic-metrics head",
        "COMP_CWORD": "1",
    }
    code = "import sys; sys.argv[0] = 'anthropic-metrics'; from anthropic_metrics.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.split() == ["headroom"], done.stderr


def test_a_configuration_is_begun_checked_and_shown_with_its_origins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANTHROPIC_ADMIN_API_KEY", "sk-ant-admin01-shown-nowhere")
    monkeypatch.setenv("ANTHROPIC_METRICS_USAGE__INTERVAL", "7m")
    monkeypatch.setenv("ANTHROPIC_METRICS_ALERTS__WEBHOOKS", "https://h/T0/shown-nowhere-2")
    assert CliRunner().invoke(app, ["config", "init"]).exit_code == 0
    assert CliRunner().invoke(app, ["config", "init"]).exit_code != 0, "a file that exists is left alone"
    assert "config.yaml" in CliRunner().invoke(app, ["config", "validate"]).output
    shown = CliRunner().invoke(app, ["config", "show", "--format", "json"]).stdout
    assert "shown-nowhere" not in shown
    rows = {row["key"]: (row["value"], row["origin"]) for row in json.loads(shown)["configuration"]}
    assert set(rows) == set(map(".".join, KEYS))
    assert rows["usage.interval"] == ("7m", "ANTHROPIC_METRICS_USAGE__INTERVAL")
    assert rows["cost.interval"] == ("1h", "config.yaml")
    assert rows["anthropic.admin_key"][0] == rows["alerts.webhooks"][0] == "********"


def test_the_schema_knows_every_key_and_refuses_others() -> None:
    found = json.loads(CliRunner().invoke(app, ["config", "schema"]).stdout)
    assert found == schema()
    assert found["additionalProperties"] is False
    for key in KEYS:
        holder = found["properties"]
        for name in key[:-1]:
            assert holder[name]["additionalProperties"] is False
            holder = holder[name]["properties"]
        assert holder[key[-1]]["description"] == KEYS[key].description


def test_the_schema_takes_the_example() -> None:
    example = yaml.safe_load((ROOT / "config.example.yaml").read_text("utf-8"))
    assert list(wrong(example, schema(), "")) == []
    assert list(wrong({"usage": {"interval": 5}}, schema(), "")) != []
    assert list(wrong({"usage": {"interwall": "5m"}}, schema(), "")) != []


def wrong(value: Any, kind: dict[str, Any], where: str) -> list[str]:
    """Where a value breaks a schema; of the few words of the language that ours uses."""
    if "anyOf" in kind:
        return [] if any(not wrong(value, each, where) for each in kind["anyOf"]) else [where]
    if "enum" in kind:
        return [] if value in kind["enum"] else [where]
    if "const" in kind:
        return [] if value == kind["const"] else [where]
    types = kind.get("type", ())
    allowed = {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str) or value is None,
        "boolean": isinstance(value, bool),
        "integer": isinstance(value, int) and not isinstance(value, bool),
        "number": isinstance(value, int | float),
        "null": value is None,
    }
    if types and not any(allowed[each] for each in ([types] if isinstance(types, str) else types)):
        return [where]
    if "pattern" in kind and not re.search(kind["pattern"], str(value)):
        return [where]
    if not isinstance(value, dict) or "properties" not in kind:
        return []
    return [
        place
        for name, inner in value.items()
        for place in (
            wrong(inner, kind["properties"][name], f"{where}.{name}")
            if name in kind["properties"]
            else [f"{where}.{name}"]
        )
    ]
