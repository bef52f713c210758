"""The command as its user runs it: a process of its own, an environment of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise, takewhile
from pathlib import Path

from tests.harness import command_schemas

COMMAND = (sys.executable, "-m", "anthropic_metrics")
# What a process needs of the machine, and nothing that would configure the agent.
NEEDED = (
    "PATH",
    "HOME",
    "LANG",
    "SYSTEMROOT",
    "PYTHONPATH",
    "TMPDIR",
    "ANTHROPIC_METRICS_CACHE",
    "JAVA_TOOL_OPTIONS",  # the light compiler, for the demo's server too: half its time
)


def environment(**variables: str) -> dict[str, str]:
    return {name: os.environ[name] for name in NEEDED if name in os.environ} | variables


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end in `folder`; its output as text. JSON is held against its schema."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    if ("--format", "json") in pairwise(arguments) and done.stdout:
        words = takewhile(lambda word: not word.startswith("-"), arguments)
        command_schemas.validate(" ".join(words), done.stdout)
    return done
