"""Questions to our own streams, answered from memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from anthropic_metrics.kernel.questions import LimitHistory, MinuteUse, Owner, Row, Splits, State, Used
from anthropic_metrics.kernel.ranges import Range, floor


@dataclass
class MemoryQuestions:
    """A `kernel.questions.Questions` over (document's time, time of writing) by stream.

    What no test asks raises NotImplementedError.
    """

    written: dict[str, list[tuple[datetime, datetime]]] = field(default_factory=dict)
    polled: datetime | None = None
    read_since: datetime | None = None
    read_until: datetime | None = None

    def refresh(self, *streams: str) -> None:
        """Everything is visible at once."""

    def windows(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        width: timedelta,
        *,
        since: datetime | None = None,
        missing: bool = False,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> set[datetime]:
        found = self.written.get(stream, ()) if not missing else ()
        return {
            floor(at, width)
            for at, created in found
            if span.start <= at < span.end and (since is None or created >= since)
        }

    def sums(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        width: timedelta,
        fields: Sequence[str],
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[datetime, dict[str, int]]:
        raise NotImplementedError

    def states(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        width: timedelta,
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[datetime, State]:
        raise NotImplementedError

    def documents(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        fields: Sequence[str],
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[tuple[str, Row]]:
        raise NotImplementedError

    def groups(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        by: Sequence[str],
        fields: Sequence[str],
        *,
        width: timedelta | None = None,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[tuple[Row, Row]]:
        raise NotImplementedError

    def amounts(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        width: timedelta,
        by: str,
        field: str,
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> dict[datetime, dict[str, float]]:
        return self.spent(stream, span, by, field)

    def spent(self, stream: str, span: Range, by: str, field: str) -> dict[datetime, dict[str, float]]:
        """What `amounts` answers, of all organizations and terms."""
        raise NotImplementedError

    def used(
        self, stream: str, organization_id: str, by: str, field: str, since: datetime
    ) -> dict[str, Used]:
        raise NotImplementedError

    def latest(self, stream: str, organization_id: str, by: Sequence[str]) -> Iterator[tuple[Row, Row]]:
        raise NotImplementedError

    def read_from(self, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
        return self.read_since

    def read_at(self, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
        return self.polled

    def read_to(self, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
        return self.read_until

    def limit_history(self, stream: str, organization_id: str) -> LimitHistory:
        raise NotImplementedError

    def minutes(
        self, stream: str, organization_id: str, splits: Splits, workspaces: tuple[str, ...] = ()
    ) -> MinuteUse:
        raise NotImplementedError

    def organizations(self, stream: str) -> list[Owner]:
        raise NotImplementedError
