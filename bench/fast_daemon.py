"""`anthropic-metrics run`, so many times as fast as the wall clock: `python -m bench.fast_daemon told.json`.

It is the daemon itself: scheduler, signals, health endpoint. Both of its clocks are handed in, and its waits
are as much shorter.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass
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


class FastStop(threading.Event):
    """Waits so many times as short."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self._speed = speed

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(None if timeout is None else timeout / self._speed)


def main() -> int:
    told = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    clock = FastClock(datetime.fromisoformat(told["start"]), told["began"], told["speed"])
    logs.configure("info", "json")
    config = Config.model_validate(told["config"])
    return daemon.run(Agent(config, clock=clock.now, monotonic=clock.seconds, stop=FastStop(clock.speed)))


if __name__ == "__main__":
    sys.exit(main())
