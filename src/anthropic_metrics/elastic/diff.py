"""What has to be written so that a stream holds the wanted documents and nothing else. Pure.

A document that is no longer wanted is first *marked*: its own source gets `anthropic.missing_since`.
A later comparison deletes it, once the mark is `confirm_after` old and it is still not wanted. The memory
of the first look so lives in the stream itself: restarts, single runs and several agents all share it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.errors import BrokenContract


class Copy(NamedTuple):
    """One copy of one document as the stream holds it.

    `growing` says that it was written while its bucket was incomplete.
    """

    id: str
    backing_index: str
    seq_no: int
    primary_term: int
    hash: str | None
    missing_since: datetime | None = None
    growing: bool = False


@dataclass(frozen=True, slots=True)
class Diff:
    """The writes that make the stream equal to what is wanted.

    `mark` vanished for the first time, `delete` vanished and that is confirmed, `extra` are superfluous
    copies of documents that stay. `waiting` counts marked documents that are too young to delete.
    """

    create: list[Prepared] = field(default_factory=list)
    replace: list[tuple[Prepared, Copy]] = field(default_factory=list)
    mark: list[Copy] = field(default_factory=list)
    delete: list[Copy] = field(default_factory=list)
    extra: list[Copy] = field(default_factory=list)
    keep: int = 0
    waiting: int = 0

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.create or self.replace or self.mark or self.delete or self.extra)


def diff(
    wanted: Iterable[Prepared],
    copies: Iterable[Copy],
    *,
    now: datetime,
    confirm_after: timedelta,
    deletes: bool = True,
) -> Diff:
    """Compare the documents that should exist with those that do.

    `now` is when the wanted documents were fetched, not when they are written: a deletion rests on two
    fetches at least `confirm_after` apart. With `deletes=False` nothing is marked or deleted, except extra
    copies. Raises BrokenContract when two different documents are wanted under one id.
    """
    by_id, extra = _one_copy_each(copies)
    result = Diff(extra=extra)
    keep = 0
    for document in _by_id(wanted):
        stored = by_id.pop(document.id, None)
        if stored is None:
            result.create.append(document)
        elif stored.hash == document.hash and stored.missing_since is None:
            keep += 1
        else:
            result.replace.append((document, stored))
    waiting = _vanished(by_id.values(), result, milliseconds(now), confirm_after) if deletes else 0
    return replace(result, keep=keep, waiting=waiting)


def milliseconds(time: datetime) -> datetime:
    """`time` as precisely as Elasticsearch keeps a date."""
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def _by_id(wanted: Iterable[Prepared]) -> Iterable[Prepared]:
    seen: dict[str, Prepared] = {}
    for document in wanted:
        known = seen.setdefault(document.id, document)
        if known.hash != document.hash:
            raise BrokenContract(f"Two different documents share the id {document.id}.")
    return seen.values()


def _one_copy_each(copies: Iterable[Copy]) -> tuple[dict[str, Copy], list[Copy]]:
    """The copy of each document that stays, and the other copies.

    Two writers that created the same document around a rollover leave two copies. The one in the newest
    backing index stays: every agent then chooses the same one, so that two agents that want different
    contents can never delete each other's copy, and retention takes it last.
    """
    by_id: dict[str, Copy] = {}
    extra: list[Copy] = []
    for copy in copies:
        other = by_id.setdefault(copy.id, copy)
        if other is copy:
            continue
        older, newer = sorted((other, copy), key=lambda copy: age(copy.backing_index))
        by_id[copy.id] = newer
        extra.append(older)
    return by_id, extra


def age(backing_index: str) -> tuple[int, str]:
    """What orders backing indices from the oldest to the newest.

    They end in their generation, also after a restore, a shrink or a reindex put a prefix.
    """
    generation = backing_index.rpartition("-")[2]
    return (int(generation) if generation.isdigit() else -1, backing_index)


def _vanished(copies: Iterable[Copy], result: Diff, now: datetime, confirm_after: timedelta) -> int:
    """Mark, delete or wait for what is held and not wanted; returns how many wait."""
    waiting = 0
    for document in copies:
        since = document.missing_since
        if since is None or since > now + confirm_after:
            # A mark from the future was made by a clock that was wrong: it would never come of age.
            result.mark.append(document)
        elif since < now and now - since >= confirm_after:
            result.delete.append(document)
        else:
            waiting += 1
    return waiting
