"""Agents in processes of their own, on the clock of the test."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from anthropic_metrics.simulator import ADMIN_KEY
from tests.harness.chaos_world import Chaos

AGENT = (sys.executable, "-m", "tests.harness.chaos_agent")
ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds for all polls of one turn, on a machine that has other things to do


class Process:
    """An agent in a process, told the time by a file."""

    def __init__(self, world: Chaos, folder: Path, name: str) -> None:
        self.world, self.clock, self.done = world, folder / "clock", folder / f"{name}.done"
        config = world.config.model_dump(mode="json", exclude_none=True)
        config["anthropic"]["admin_key"] = ADMIN_KEY
        config["usage"]["minute_backfill"] = "1h"
        self.told = folder / f"{name}.json"
        self.told.write_text(
            json.dumps({"config": config, "clock": str(self.clock), "done": str(self.done)}), "utf-8"
        )
        self.tell()
        self.start()

    def tell(self) -> None:
        """The time goes into place at once: nobody reads half of it."""
        new = self.clock.with_suffix(".new")
        new.write_text(self.world.clock.now().isoformat(), "utf-8")
        new.replace(self.clock)

    def start(self) -> None:
        self.process = subprocess.Popen([*AGENT, str(self.told)], cwd=ROOT, stderr=subprocess.DEVNULL)

    def finished(self) -> None:
        """Wait until it has polled at the present time."""
        wanted = self.world.clock.now().isoformat()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with contextlib.suppress(FileNotFoundError):
                if self.done.read_text("utf-8") == wanted:
                    return
            assert self.process.poll() is None, "the agent has ended"
            time.sleep(0.02)
        raise TimeoutError("the agent did not finish its polls")

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(20)


@contextlib.contextmanager
def processes(world: Chaos, folder: Path, count: int) -> Iterator[list[Process]]:
    started = [Process(world, folder, f"agent{number}") for number in range(count)]
    try:
        yield started
    finally:
        for each in started:
            if each.process.poll() is None:
                each.end(signal.SIGKILL)
