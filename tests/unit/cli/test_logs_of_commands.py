"""A command that answers with a table logs nothing that only informs; one that polls does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from anthropic_metrics.cli.common import load
from anthropic_metrics.links import page
from anthropic_metrics.logs import get_logger


@pytest.mark.parametrize(
    ("polls", "level", "logged"),
    [(False, "info", False), (True, "info", True), (False, "debug", True), (False, "warning", False)],
)
def test_what_only_informs_is_logged_by_commands_that_poll_or_at_debug(
    polls: bool, level: str, logged: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"log: {{level: {level}, format: json}}", encoding="utf-8")
    load(path, polls=polls)
    get_logger("x").info("analytics_not_here")
    get_logger("x").warning("rows_refused")
    shown = capsys.readouterr().err
    assert ("analytics_not_here" in shown) is logged
    assert ("rows_refused" in shown) is (polls or level != "info")


LOGS = """
import sys
from anthropic_metrics import cli, logs
from anthropic_metrics.errors import RetryLater
logs.configure("warning", "json", deferred=True)
logs.get_logger("x").warning("inventory_without_names")
if sys.argv[1] == "error":
    logs.get_logger("x").error("failure_began")
print("the answer", file=sys.stderr)
if sys.argv[1] == "message":
    sys.exit(cli._complain(RetryLater("The key is refused.", cure="Use another."), 1))
"""


def logged_in(how: str) -> list[str]:
    """What a process writes to standard error, each line of the log as its event alone."""
    done = subprocess.run([sys.executable, "-c", LOGS, how], capture_output=True, text=True, check=False)
    return [
        json.loads(line)["message"] if line.startswith("{") else line for line in done.stderr.splitlines()
    ]


def test_warnings_of_a_command_come_after_its_answer_unless_an_error_is_logged() -> None:
    assert logged_in("well") == ["the answer", "inventory_without_names"]
    assert logged_in("error") == ["inventory_without_names", "failure_began", "the answer"]


def test_a_message_that_ends_a_command_stands_for_the_warnings_and_always_has_an_address() -> None:
    assert logged_in("message") == [
        "the answer",
        "anthropic-metrics: The key is refused. Use another.",
        f"See {page('troubleshooting.md')}",
    ]


def test_what_a_user_may_want_to_change_is_a_sentence_and_in_a_log_an_event(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_ADMIN_API_KEY", "sk-ant-admin01-of-the-shell")
    path = tmp_path / "config.yaml"
    path.write_text("{anthropic: {admin_key: sk-ant-admin01-of-the-file}, digest: daily}", encoding="utf-8")
    load(path)
    shown = capsys.readouterr().err
    assert shown.count("Warning: ") == 2
    assert "ANTHROPIC_ADMIN_API_KEY, which has another value, is ignored.\n" in shown
    load(path, polls=True)
    shown = capsys.readouterr().err
    assert shown.count('"configuration_hint"') == 2
    assert "of-the-" not in shown
