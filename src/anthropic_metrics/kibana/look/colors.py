"""Colours of series, the same for the same name everywhere on a page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

COLORS = (
    "#4c78d0",
    "#e8853a",
    "#3fa66b",
    "#c95d8f",
    "#8a6fd1",
    "#d1a72e",
    "#3ba9b8",
    "#a0705a",
    "#6f8f3f",
)
OTHERS, OTHERS_COLOR = "all others", "#9aa3ad"


class Palette:
    """The same name has the same colour in every chart of a page, as far as the colours reach."""

    def __init__(self) -> None:
        self._taken: dict[str, dict[str, str]] = defaultdict(dict)

    def colors(self, field: str, names: Sequence[str]) -> dict[str, str]:
        """A colour for each name: its own if no other name of this chart has it, else a free one."""
        taken = self._taken[field]
        for name in names:
            if name not in taken:
                taken[name] = COLORS[len(taken) % len(COLORS)]
        chosen: dict[str, str] = {}
        for name in names:
            free = [color for color in COLORS if color not in chosen.values()]
            chosen[name] = taken[name] if taken[name] in free or not free else free[0]
        return chosen
