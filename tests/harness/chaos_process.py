"""Agents in processes of their own, on the clock of the test."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import IO

from anthropic_metrics.simulator import ADMIN_KEY
from tests.harness.chaos_world import Chaos

AGENT = (sys.executable, "-m", "tests.harness.chaos_agent")
ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds for all polls of one turn, on a machine that has other things to do


class Process:
    """An agent in a process that is told the time through a pipe, and answers when it has polled at it.

    `news` is set at each of its answers and when it ends.
    """

    def __init__(self, world: Chaos, folder: Path, name: str) -> None:
        self.world, self.news = world, threading.Event()
        config = world.config.model_dump(mode="json", exclude_none=True)
        config["anthropic"]["admin_key"] = ADMIN_KEY
        config["usage"]["minute_backfill"] = "1h"
        self.settings = folder / f"{name}.json"
        self.settings.write_text(json.dumps(config), "utf-8")
        self.start()

    def start(self) -> None:
        """A new process, which polls at the present time."""
        self.process = subprocess.Popen(
            [*AGENT, str(self.settings)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stdout is not None
        self.answers: SimpleQueue[str] = SimpleQueue()
        listener = threading.Thread(target=self._listen, args=(self.process.stdout, self.answers))
        listener.daemon = True
        listener.start()
        self.tell()

    def _listen(self, answers: IO[str], into: SimpleQueue[str]) -> None:
        with answers:
            for line in answers:
                into.put(line.strip())
                self.news.set()
        into.put("")
        self.news.set()

    def tell(self) -> None:
        """Say what time it is."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{self.world.clock.now().isoformat()}\n")
        self.process.stdin.flush()

    def finished(self) -> None:
        """Wait until it has polled at the present time. Raises queue.Empty when that takes too long."""
        present = self.world.clock.now().isoformat()
        while (answer := self.answers.get(timeout=PATIENCE)) != present:
            assert answer, "the agent has ended"

    def end(self, number: signal.Signals) -> int:
        """Its exit code after a signal."""
        self.process.send_signal(number)
        code = self.process.wait(20)
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        return code


@contextlib.contextmanager
def processes(world: Chaos, folder: Path, count: int) -> Iterator[list[Process]]:
    started = [Process(world, folder, f"agent{number}") for number in range(count)]
    try:
        yield started
    finally:
        for each in started:
            if each.process.poll() is None:
                each.end(signal.SIGKILL)
