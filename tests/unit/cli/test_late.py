"""Help and version import no command; every command is listed."""

from __future__ import annotations

import subprocess
import sys
from itertools import groupby

import pytest
from typer.testing import CliRunner

from anthropic_metrics import __version__
from anthropic_metrics.cli import app
from anthropic_metrics.cli.late import COMMANDS, registered

HEAVY = {
    "elasticsearch",
    "httpx",
    "prometheus_client",
    "pydantic",
    "structlog",
    "rich",
    "yaml",
    "apscheduler",
}
RUN = """
import sys
from anthropic_metrics.cli import main
sys.argv = ["anthropic-metrics", sys.argv[1]]
try:
    main()
finally:
    print("imported:", *sys.modules)
"""


def started(option: str) -> tuple[str, set[str]]:
    """What the command prints, and every module that was imported for it."""
    done = subprocess.run([sys.executable, "-c", RUN, option], capture_output=True, text=True, check=True)
    printed, _, imported = done.stdout.partition("imported: ")
    return printed, set(imported.split())


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_neither_a_command_nor_a_library_of_one(option: str) -> None:
    _, imported = started(option)
    assert not imported & HEAVY
    commands = {f"anthropic_metrics.cli.{module}" for module, _ in COMMANDS.values()}
    assert not imported & commands


def test_help_lists_every_command_and_version_says_which_it_is() -> None:
    printed, _ = started("--help")
    assert all(f"\n  {name} " in printed for name in COMMANDS)
    assert started("--version")[0] == f"anthropic-metrics {__version__}\n"


def test_each_module_registers_just_the_commands_that_are_listed_for_it() -> None:
    listed = sorted((module, name) for name, (module, _) in COMMANDS.items())
    for module, names in groupby(listed, key=lambda pair: pair[0]):
        assert sorted(registered(module)) == [name for _, name in names]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["budget"], "No such command 'budget'. Did you mean 'budgets'"),
        (["config", "vali"], "No such command 'vali'. Did you mean 'validate'?"),
        (["config", "check"], "No such command 'check'. Did you mean 'init' or 'validate' or 'show' or"),
        (["alerts", "mute"], "No such command 'mute'. Did you mean 'list' or 'evaluate' or"),
        (["zzz"], "No such command 'zzz'.\n"),
    ],
)
def test_an_unknown_command_is_answered_with_those_that_it_may_stand_for(words: list[str], said: str) -> None:
    refused = CliRunner().invoke(app, words)
    assert refused.exit_code == 2
    assert f"Error: {said}" in refused.stderr
