"""What of the Admin API's answers was not understood, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

_MOST_NAMED = 20
_MOST_UNKNOWN = 200


@dataclass
class Problems:
    """What was not understood: unknown fields by name, and bad rows, all counted and the first ones named."""

    unknown_fields: Counter[str] = field(default_factory=Counter)
    bad_rows: list[tuple[str, str]] = field(default_factory=list)
    total: int = 0

    def unknown(self, names: Iterable[str]) -> None:
        """Count fields that this version does not know, by name within bounds."""
        for name in names:
            self._count(name, 1)

    def refuse(self, where: str, reason: str) -> None:
        """Count a bad row and remember where and why, within bounds."""
        self.total += 1
        if len(self.bad_rows) < _MOST_NAMED:
            self.bad_rows.append((where, reason))

    def add(self, other: Problems) -> None:
        """Count what another answer had wrong or new besides."""
        for name, count in other.unknown_fields.items():
            self._count(name, count)
        self.total += other.total
        self.bad_rows += other.bad_rows[: _MOST_NAMED - len(self.bad_rows)]

    def _count(self, name: str, count: int) -> None:
        known = name in self.unknown_fields or len(self.unknown_fields) < _MOST_UNKNOWN
        self.unknown_fields[name if known else "others"] += count

    def __str__(self) -> str:
        """One sentence: how many rows were refused, and the first of them with its reason; empty if none."""
        if not self.total:
            return ""
        where, reason = self.bad_rows[0]
        rows = "1 row" if self.total == 1 else f"{self.total:,} rows"
        first = "" if self.total == 1 else "the first: "
        return f"{rows} of the Admin API could not be read ({first}{where}: {reason})."
