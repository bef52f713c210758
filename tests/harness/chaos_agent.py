"""An agent in a process of its own, on the clock of the test: `python -m tests.harness.chaos_agent FILE`.

Each line of standard input is the time from now on; the jobs that are due run, as the daemon does it, and the
time is the answer on standard output. SIGTERM ends it as it ends the daemon; SIGKILL ends it anywhere.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from datetime import datetime
from pathlib import Path
from queue import SimpleQueue

from anthropic_metrics import logs
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import Config
from anthropic_metrics.errors import Stopped
from anthropic_metrics.kernel.schedule import due


class NoWait(threading.Event):
    """Waits take no time, except the ones for the clock."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


class Clock:
    """The time that the test says, as soon as it says it; `lines` has a line for each, None: the end."""

    def __init__(self) -> None:
        self.lines: SimpleQueue[str | None] = SimpleQueue()
        self._now = datetime.fromisoformat(sys.stdin.readline().strip())
        threading.Thread(target=self._listen, daemon=True).start()

    def now(self) -> datetime:
        return self._now

    def _listen(self) -> None:
        self.lines.put(self._now.isoformat())
        for line in sys.stdin:
            self._now = datetime.fromisoformat(line.strip())
            self.lines.put(line.strip())
        self.lines.put(None)


def main() -> int:
    logs.configure("warning", "json")
    clock, stop = Clock(), NoWait()

    def ask_to_stop(*_: object) -> None:
        stop.set()
        clock.lines.put(None)

    signal.signal(signal.SIGTERM, ask_to_stop)
    config = Config.model_validate(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    with Agent(config, clock=clock.now, stop=stop, monotonic=lambda: clock.now().timestamp()) as agent:
        last: dict[str, float] = {}
        while (line := clock.lines.get()) and not stop.is_set():
            moment = datetime.fromisoformat(line).timestamp()
            try:
                for chain in due(agent.jobs, last, moment):
                    last[chain[0].name] = moment
                    for job in chain:
                        agent.attempt(job)
            except Stopped:
                return 0
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
