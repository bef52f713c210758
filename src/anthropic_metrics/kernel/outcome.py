"""What became of documents that were given to a store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Change:
    """A document of a complete bucket that is about to be replaced or deleted, with its source before.

    `after` is its new source, None where it is deleted.
    """

    id: str
    index: str
    seq_no: int
    before: dict[str, Any]
    after: dict[str, Any] | None


@dataclass(kw_only=True)
class Counts:
    """What became of documents.

    `marked` vanished upstream in this pass, `waiting` in an earlier one; both wait for the second look.
    `conflicts` counts every write that another writer was faster at, `unsettled` those still open after
    the last comparison. `deleted` includes extra copies. `dropped` were dropped by a pipeline of the user's.
    `diverted` went to the failure store in this pass, `withheld` in an earlier one: sent again later.
    """

    created: int = 0
    replaced: int = 0
    deleted: int = 0
    marked: int = 0
    kept: int = 0
    waiting: int = 0
    conflicts: int = 0
    unsettled: int = 0
    refused: int = 0
    diverted: int = 0
    dropped: int = 0
    withheld: int = 0

    @property
    def missing(self) -> int:
        """Wanted documents that did not arrive."""
        return self.unsettled + self.refused + self.diverted + self.withheld

    @property
    def done(self) -> bool:
        """Whether every wanted document arrived."""
        return not self.missing

    @property
    def changed(self) -> int:
        """Documents written or removed."""
        return self.created + self.replaced + self.deleted + self.marked


@dataclass(kw_only=True)
class Outcome(Counts):
    """What one pass over a window did, and the first of the documents that were refused, with the reason."""

    refusals: list[tuple[str, str]] = field(default_factory=list)

    @property
    def settled(self) -> bool:
        """Whether the window equals the answer and needs no second look."""
        return self.done and not (self.marked or self.waiting)
