"""What can happen: each event is a name, a weight and what it does to the world, with its own random source.

An event acts when its step begins. Faults end with the step; what upstream changed stays changed.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from tests.harness import chaos_api_acts, chaos_cluster_acts, chaos_past_acts
from tests.harness.chaos_world import Chaos

ACTS = chaos_api_acts.ACTS | chaos_past_acts.ACTS | chaos_cluster_acts.ACTS
# Of the analytics reports: only in schedules that begin with them.
REPORT_ACTS = chaos_api_acts.REPORT_ACTS


@dataclass(frozen=True)
class Event:
    """`number` seeds the event's own choices, so that dropping other events does not change it."""

    step: int
    name: str
    number: int

    def act(self, world: Chaos) -> None:
        (ACTS | REPORT_ACTS)[self.name][1](world, Random(f"{self.name} {self.number}"))

    def __str__(self) -> str:
        return f"{self.step}:{self.name}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Event:
        step, name, number = text.split(":")
        return cls(int(step), name, int(number))
