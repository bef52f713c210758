"""The form of what can happen in a schedule of faults: a name, a weight and what it does to the world."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from tests.harness.chaos_world import Chaos

Act = Callable[[Chaos, Random], None]


# By name: a weight and the act.
Acts = dict[str, tuple[int, Act]]


def event(acts: Acts, weight: int) -> Callable[[Act], Act]:
    """Enters an act into `acts` under its own name."""

    def register(act: Act) -> Act:
        acts[act.__name__] = (weight, act)
        return act

    return register
