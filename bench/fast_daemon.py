"""`anthropic-metrics run`, so many times as fast as the wall clock: `python bench/fast_daemon.py told.json`.

It is the daemon itself: scheduler, signals, health endpoint. Its clock is handed in and its jobs come round
as much sooner.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from anthropic_metrics import logs
from anthropic_metrics.agent import daemon
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import Config


@dataclass
class FastClock:
    """The same time in every process: `began` is of the machine's monotonic clock, which they share."""

    start: datetime
    began: float
    speed: float

    def seconds(self) -> float:
        return (time.monotonic() - self.began) * self.speed

    def now(self) -> datetime:
        return self.start + timedelta(seconds=self.seconds())


def main() -> int:
    told = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    clock = FastClock(datetime.fromisoformat(told["start"]), told["began"], told["speed"])
    logs.configure("info", "json")
    agent = Agent(Config.model_validate(told["config"]), clock=clock.now, monotonic=clock.seconds)
    agent.jobs = [replace(job, interval=job.interval / clock.speed) for job in agent.jobs]
    return daemon.run(agent)


if __name__ == "__main__":
    sys.exit(main())
