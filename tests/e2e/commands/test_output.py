"""Standard output that cannot be written, and what `simulate` prints: as their user sees them."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from anthropic_metrics.cli import demo
from anthropic_metrics.cli.demo import SHOWN_KEY
from anthropic_metrics.redaction import redact
from anthropic_metrics.simulator import RealClock, Simulation, SimulatorServer
from tests.harness.command_line import COMMAND, environment, run


@pytest.mark.parametrize("command", [("--help",), ("alerts", "list"), ("config", "schema")])
def test_a_full_disk_behind_standard_output_is_one_message_and_exit_code_1(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, *command],
            cwd=tmp_path,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.stderr == "anthropic-metrics: The output cannot be written: No space left on device.\n"
    assert done.returncode == 1


@pytest.mark.parametrize("command", ["config schema", "alerts list"])
def test_a_closed_standard_output_is_one_message_and_exit_code_1(tmp_path: Path, command: str) -> None:
    shell = " ".join([*map(shlex.quote, COMMAND), command, ">&-"])
    done = subprocess.run(
        ["/bin/sh", "-c", shell],
        cwd=tmp_path,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.stderr == "anthropic-metrics: The output cannot be written: Standard output is closed.\n"
    assert done.returncode == 1


def test_where_both_streams_are_full_the_exit_code_tells(tmp_path: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [*COMMAND, "--help"], cwd=tmp_path, env=environment(), stdout=full, stderr=full, check=False
        )
    assert done.returncode == 1


def test_a_wrong_choice_says_what_is_allowed_and_nothing_else(tmp_path: Path) -> None:
    said = run(tmp_path, "once", "--only", "usge").stderr
    assert "'usge' is not one of 'rate_limits', 'cost', 'usage'" in said
    assert "Value error" not in said


def test_the_key_of_the_simulator_can_be_read_where_it_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert redact.scrub(SHOWN_KEY) == SHOWN_KEY
    demo._say_where("http://127.0.0.1:8787")
    assert f"for the Admin key {SHOWN_KEY};" in capsys.readouterr().err


def test_a_taken_port_is_one_message_with_its_cure(tmp_path: Path) -> None:
    with SimulatorServer(Simulation(RealClock(), days=1, series=1)) as server:
        port = server.url.rpartition(":")[2]
        done = run(tmp_path, "simulate", "--days", "1", "--port", port)
    assert done.returncode == 1
    assert f"--port: cannot listen on {port}: Address already in use. Name another port" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_export_for_a_kibana_that_is_too_old_is_refused_and_writes_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, "alerts", "export", "rules", "--kibana", "7.0")
    assert done.returncode == 2
    assert "8.17" in done.stderr
    assert not (tmp_path / "rules").exists()
