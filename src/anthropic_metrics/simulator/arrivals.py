"""When usage becomes visible: every minute of every series comes in two parts, each with its own delay."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import shake_128

from .clock import HOUR, MINUTE
from .series import Series
from .traffic import Cell, Minutes, add, portion, subtract

Step = tuple[float, int, int]


@dataclass(frozen=True, slots=True)
class Profile:
    """Steps of (share of the parts, shortest, longest delay in seconds); the shares sum to 1."""

    steps: tuple[Step, ...]

    @property
    def longest(self) -> int:
        return max(longest for _, _, longest in self.steps)

    def delay(self, number: int) -> float:
        """The delay that belongs to a number drawn from 0..65535."""
        position, begin = number / 65536, 0.0
        for share, shortest, longest in self.steps:
            if position < begin + share:
                return shortest + (longest - shortest) * (position - begin) / share
            begin += share
        return self.steps[-1][2]


PROFILES = {
    "none": Profile(((1.0, 0, 0),)),
    "usual": Profile(((1.0, 0, 300),)),
    "late": Profile(((0.94, 0, 300), (0.05, 600, 600), (0.01, 3 * HOUR, 3 * HOUR))),
}


class Arrivals:
    """Cuts what is visible at a moment out of the final minutes of an hour."""

    def __init__(self, seed: int, profile: Profile, series: Sequence[Series]) -> None:
        self._seed = seed
        self._profile = profile
        self._series = tuple(series)

    def all_here(self, end: int, at: float | None) -> bool:
        """Whether everything used before `end` has arrived by `at` (None: the end of time)."""
        return at is None or at >= end + self._profile.longest

    def visible(self, index: int, minutes: Minutes, hour: int, at: float | None) -> Minutes:
        """The 60 minutes of one series as they stand at `at`; a minute that has not begun is None."""
        if at is None or self.all_here((hour + 1) * HOUR, at):
            return minutes
        if at <= hour * HOUR:
            return (None,) * 60
        delays = self._delays(index, hour)
        begin = hour * HOUR
        return tuple(
            None
            if cell is None
            else self._minute(cell, at - begin - n * MINUTE, delays[2 * n], delays[2 * n + 1])
            for n, cell in enumerate(minutes)
        )

    def _minute(self, cell: Cell, age: float, first: int, second: int) -> Cell | None:
        """A part is sent in mid-minute or at its end and is seen after its delay."""
        early = portion(cell, 3, 5)
        seen = early if age >= MINUTE / 2 + self._profile.delay(first) else None
        if age >= MINUTE + self._profile.delay(second):
            rest = subtract(cell, early)
            seen = rest if seen is None else add(seen, rest)
        return seen if seen is not None and any(seen) else None

    def _delays(self, index: int, hour: int) -> tuple[int, ...]:
        key = f"{self._seed}:arrivals:{self._series[index].name}:{hour}".encode()
        return struct.unpack("<120H", shake_128(key).digest(240))
