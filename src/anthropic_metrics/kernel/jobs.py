"""What there is to do; `kernel.schedule` says when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally

SWEEP_EVERY = timedelta(days=1)


class Kind(StrEnum):
    """`live` jobs keep the newest data fresh, `sweep` jobs compare a whole history once a day."""

    live = "live"
    sweep = "sweep"


@dataclass(frozen=True)
class Job:
    """A thing to do every `interval`, counted into a fresh tally each time.

    `name` is unique within its `organization` (empty where there is one) and shown in logs, health and
    metrics; `run` returns the range that was read, if any. `after` names the job whose every run it follows,
    whatever that ended in. `needs` names further jobs whose streams it reads: its first turn waits for
    theirs.
    """

    name: str
    poller: str
    stream: str
    interval: timedelta
    run: Callable[[Tally], Range | None]
    kind: Kind = Kind.live
    after: str | None = None
    organization: str = ""
    needs: tuple[str, ...] = ()
