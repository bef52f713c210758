"""Typed questions to our own streams. `elastic.questions` asks Elasticsearch; tests answer from memory.

Each question names the organization: several may share a namespace. Answers are whole, else RetryLater is
raised, and they hold what was acknowledged before the last `refresh`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from anthropic_metrics.kernel.ranges import Range

# A workspace's id, None for the organization itself.
Scope = str | None
Row = Mapping[str, Any]


class Use(NamedTuple):
    """Tokens of one model in one minute (seconds since 1970), the batch tier left out. `fast`: fast mode."""

    minute: int
    workspace: str | None
    model: str
    fast: bool
    uncached: int
    cached: int
    created: int
    output: int


class State(NamedTuple):
    """What a window holds, so that two looks can be told apart: it differs after any write to it."""

    documents: int
    created: int
    newest: int


class Used(NamedTuple):
    """Times of the first and the last document, and a sum over the newer ones."""

    first: datetime
    last: datetime
    total: float


class Owner(NamedTuple):
    """An organization as documents name it."""

    id: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Splits:
    """What usage is split by, and so what can be told apart.

    `every_workspace`: usage of every workspace is collected, so that the organization's use is known.
    """

    workspaces: bool = True
    tiers: bool = True
    speeds: bool = False
    every_workspace: bool = True


class LimitHistory(Protocol):
    """The rate-limit snapshots of one organization. Rows are `anthropic.rate_limit` of the documents."""

    def scopes(self) -> frozenset[Scope]:
        """Whose limits have ever been seen."""

    def holding(
        self, start: datetime, end: datetime, scopes: Collection[Scope] | None = None
    ) -> Mapping[Scope, Mapping[int, Sequence[Row]]]:
        """Per scope and time (seconds since 1970) the rows of every snapshot that holds in [start, end).

        Those within, the latest one up to `start`, or, where there is none, the earliest of all; only of
        `scopes` if given.
        """

    def before(
        self, moment: datetime, scopes: Collection[Scope]
    ) -> Mapping[Scope, tuple[int, Sequence[Row]]]:
        """Time and rows of the latest snapshot before `moment` of each of `scopes` that has one."""


class MinuteUse(Protocol):
    """Usage by the minute of one organization, rows that the API no longer reports left out."""

    @property
    def splits(self) -> Splits:
        """What usage is split by."""

    def uses(
        self,
        start: datetime,
        end: datetime,
        *,
        models: Sequence[str] = (),
        workspaces: Sequence[str] = (),
        by_workspace: bool = True,
    ) -> Iterator[Use]:
        """Use of every minute in [start, end), batch left out; only of `models` and `workspaces` if named."""

    def first(self) -> datetime | None:
        """The earliest minute held."""

    def largest(self, start: datetime, end: datetime, models: Sequence[str], count: int) -> dict[str, str]:
        """Ids and names of the workspaces that used most of `models` in [start, end)."""

    def named(self, workspace: str) -> dict[str, str]:
        """Ids and names of the workspaces with this id or name."""


class Questions(Protocol):
    """Everything that pollers ask of the streams."""

    def refresh(self, *streams: str) -> None:
        """Make all that was acknowledged visible to the questions that follow."""

    def windows(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        width: timedelta,
        *,
        since: datetime | None = None,
        missing: bool = False,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> set[datetime]:
        """Starts of the windows of `width` on the UTC grid in `time_range` that hold documents with `terms`.

        With `since` only documents written, or gone missing, from then on; with `missing` only those that
        the API no longer reports and that wait for their deletion.
        """

    def sums(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        width: timedelta,
        fields: Sequence[str],
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[datetime, dict[str, int]]:
        """Per window of `width` that holds documents the sum of each whole-number field."""

    def states(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        width: timedelta,
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[datetime, State]:
        """The state of each window that holds documents, those that the API no longer reports left out."""

    def documents(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        fields: Sequence[str],
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[tuple[str, Row]]:
        """Ids and sources, only `fields` of them; those that the API no longer reports are left out."""

    def groups(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        by: Sequence[str],
        fields: Sequence[str],
        *,
        width: timedelta | None = None,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[tuple[Row, Row]]:
        """For each combination of the keyword fields `by` (None: absent) the sums of whole-number fields;
        documents that the API no longer reports are left out.

        With `width` also for each window of it, whose start is the combination's `@timestamp`.
        """

    def amounts(
        self,
        stream: str,
        organization_id: str,
        time_range: Range,
        width: timedelta,
        by: str,
        field: str,
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[datetime, dict[str, float]]:
        """Per window of `width` that holds documents the sum of a number for each value of the keyword field
        `by`; documents that the API no longer reports are left out."""

    def used(
        self, stream: str, organization_id: str, by: str, field: str, since: datetime
    ) -> dict[str, Used]:
        """For each value of the keyword `by` its first and last document that has `field` above zero,
        and the sum of `field` from `since` on; documents that the API no longer reports are left out."""

    def latest(self, stream: str, organization_id: str, by: Sequence[str]) -> Iterator[tuple[Row, Row]]:
        """For each combination of the keyword fields `by` the source of its newest document."""

    def read_at(self, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
        """When the last successful poll of `stream` for this organization began, by any agent."""

    def read_from(self, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
        """The earliest start of a range of `stream` that a poll for this organization read to its end."""

    def read_to(self, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
        """Up to when polls for this organization have read `stream`: the latest end of a range, or when its
        last poll began, if that is earlier; None where no poll succeeded."""

    def limit_history(self, stream: str, organization_id: str) -> LimitHistory:
        """The snapshots in a rate-limit stream."""

    def minutes(
        self, stream: str, organization_id: str, splits: Splits, workspaces: tuple[str, ...] = ()
    ) -> MinuteUse:
        """The use in a stream of usage by the minute, of `workspaces` only if any are named."""

    def organizations(self, stream: str) -> list[Owner]:
        """The organizations whose documents the stream holds, each by its newest name."""
