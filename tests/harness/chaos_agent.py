"""An agent in a process of its own, on the clock of the test: `python chaos_agent.py config.json`.

The test writes the time into a file; the jobs that are due run when it has changed, as the daemon does it.
SIGTERM ends it as it ends the daemon; SIGKILL ends it anywhere.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from datetime import datetime
from pathlib import Path

from anthropic_metrics import logs
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import Config
from anthropic_metrics.errors import Stopped
from anthropic_metrics.kernel.schedule import due

LOOK = 0.02  # seconds: how soon a new time is noticed


class NoWait(threading.Event):
    """Waits take no time, except the ones for the clock."""

    def wait(self, timeout: float | None = None) -> bool:
        return self.is_set()


def main() -> int:
    told = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    file, done = Path(told["clock"]), Path(told["done"])
    logs.configure("warning", "json")
    stop = NoWait()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())

    def now() -> datetime:
        return datetime.fromisoformat(file.read_text("utf-8"))

    with Agent(
        Config.model_validate(told["config"]), clock=now, stop=stop, monotonic=lambda: now().timestamp()
    ) as agent:
        last: dict[str, float] = {}
        polled = None
        while not stop.is_set():
            moment = now()
            if moment == polled:
                time.sleep(LOOK)
                continue
            try:
                for chain in due(agent.jobs, last, moment.timestamp()):
                    last[chain[0].name] = moment.timestamp()
                    for job in chain:
                        agent.attempt(job)
            except Stopped:
                return 0
            polled = moment
            done.write_text(moment.isoformat(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
