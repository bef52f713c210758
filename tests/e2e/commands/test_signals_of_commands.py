"""SIGTERM while the servers send a byte every two seconds: every command ends, with its exit code."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

from anthropic_metrics.cli.polling import STOPPED
from anthropic_metrics.simulator import ADMIN_KEY
from tests.harness.command_line import COMMAND, environment
from tests.servers.drip import DripServer

CODES = {
    ("run",): 0,
    ("once",): 143,
    ("backfill", "--since", "2026-01-01"): 143,
    ("preview",): 143,
    ("audit",): 143,
    ("check",): 143,
    ("setup",): 143,
    ("corrections",): 143,
}


def test_sigterm_ends_every_command_whatever_it_waits_for(tmp_path: Path) -> None:
    with DripServer("head", pause=2) as server:
        variables = environment(
            ANTHROPIC_ADMIN_API_KEY=ADMIN_KEY,
            ANTHROPIC_METRICS_ANTHROPIC__BASE_URL=server.url,
            ELASTICSEARCH_URL=server.url,
            KIBANA_URL=server.url,
            ANTHROPIC_METRICS_HEALTH__PORT="0",
        )
        running = {}
        for command in CODES:
            server.reached.clear()
            running[command] = subprocess.Popen(
                [*COMMAND, *command], cwd=tmp_path, env=variables, stderr=subprocess.PIPE, text=True
            )
            assert server.reached.wait(60), command
        for process in running.values():
            process.send_signal(signal.SIGTERM)
        said = {command: process.communicate(timeout=60)[1] for command, process in running.items()}
    assert {command: process.returncode for command, process in running.items()} == CODES
    assert not [text for text in said.values() if "Traceback" in text]
    assert STOPPED in said[("once",)]
