"""The memory of alerts, in a stream of its own: which are active, and what has still to be posted.

A stream of ours needs no rights beside those the agent has, and its documents double as the history of
alerts. Creating one under an id of rule, alert and episode, and changing it only under its version, keeps
two agents from posting the same thing: Elasticsearch lets one of them win.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any

from elasticsearch import ConflictError, Elasticsearch, NotFoundError

from anthropic_metrics.alerts.execute import Alert
from anthropic_metrics.alerts.messages import subject
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.documents.alert import AlertDocument
from anthropic_metrics.documents.identity import prepare
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.elastic.lookup import refresh
from anthropic_metrics.kernel.datasets import ALERT, stream_name

# Long enough for the retries of every webhook; after it another agent takes over.
LEASE = timedelta(minutes=5)
_MOST = 10_000  # the most that one search may return
_ALERT = "anthropic.alert"


@dataclass(frozen=True)
class Kept:
    """A document of the stream, with the version under which it may be changed."""

    id: str
    index: str
    seq_no: int
    primary_term: int
    source: dict[str, Any]

    @property
    def alert(self) -> dict[str, Any]:
        found: dict[str, Any] = self.source["anthropic"]["alert"]
        return found

    @property
    def pending(self) -> list[str]:
        return list(self.alert.get("pending") or ())


class Known:
    """What one look at the stream found of a rule."""

    def __init__(self, kept: Sequence[Kept]) -> None:
        self._kept = kept
        self.active = {each.alert["id"]: each for each in kept if each.alert["status"] == "active"}

    def episodes(self, identity: str) -> int:
        """How often this id was an alert so far."""
        return sum(each.alert["id"] == identity for each in self._kept)

    def ended_since(self, identity: str, moment: datetime) -> bool:
        """Whether another agent, which looked at `moment` or later, has already seen its end."""
        ends = (each.alert.get("recovered_at") for each in self._kept if each.alert["id"] == identity)
        return any(datetime.fromisoformat(end) >= moment for end in ends if end)


class AlertState:
    """The stream of one namespace. `me` tells this agent from others."""

    def __init__(self, es: Elasticsearch, namespace: str, me: str) -> None:
        self._es = es
        self._namespace = namespace
        self._me = me
        self.stream = stream_name(ALERT, namespace)

    def refresh(self) -> None:
        """Make all that was acknowledged visible to the next reads."""
        refresh(self._es, self.stream)

    def known(self, rule: Rule, ids: Collection[str]) -> Known:
        """The rule's active alerts and all that is known of `ids`, as of one moment."""
        either = [_term("status", "active"), {"terms": {f"{_ALERT}.id": list(ids)}}]
        return Known(self._search([_term("rule", rule.key), {"bool": {"should": either}}]))

    def unposted(self) -> list[Kept]:
        """Everything that has still to be posted, oldest first."""
        return self._search([{"exists": {"field": f"{_ALERT}.pending"}}])

    def fire(
        self, rule: Rule, alert: Alert, episode: int, now: datetime, pending: Sequence[str]
    ) -> Kept | None:
        """Note a new alert and claim its posting; None when another agent was faster."""
        key = json.dumps([rule.key, alert.id, episode])
        identity = blake2b(key.encode(), digest_size=16).hexdigest()
        document = AlertDocument.model_validate(
            {
                "timestamp": now,
                "data_stream": {"dataset": ALERT, "namespace": self._namespace},
                "event": {"dataset": ALERT, "category": ["api"], "created": now},
                "anthropic": {
                    "alert": {
                        "rule": rule.key,
                        "id": alert.id,
                        "episode": episode,
                        "status": "active",
                        "fired_at": now,
                        "message": subject(rule, alert.row),
                        "row": json.dumps(dict(alert.row), ensure_ascii=False),
                        "pending": list(pending) or None,
                        **self._claim(now),
                    }
                },
            }
        )
        source = prepare(identity, document).source
        with translated(f"Writing to {self.stream}"):
            try:
                done = self._es.create(index=self.stream, id=identity, document=source)
            except ConflictError:
                return None
        return Kept(identity, done["_index"], done["_seq_no"], done["_primary_term"], source)

    def recover(self, kept: Kept, now: datetime, pending: Sequence[str]) -> Kept | None:
        """Note an alert's end and claim its posting; None when another agent was faster.

        What could not be posted of its beginning yet is still posted, before its end.
        """
        owed = [*kept.pending, *pending] or None
        return self._write(
            kept,
            status="recovered",
            recovered_at=now.isoformat(),
            pending=owed,
            **self._claim(now, text=True),
        )

    def claim(self, kept: Kept, now: datetime) -> Kept | None:
        """The right to post it: ours already, or nobody's; None while another agent has it."""
        until = kept.alert.get("claimed_until")
        if kept.alert.get("claimed_by") == self._me:
            return kept
        if until is not None and datetime.fromisoformat(until) > now:
            return None
        return self._write(kept, **self._claim(now, text=True))

    def settle(self, kept: Kept, pending: Sequence[str]) -> Kept | None:
        """Keep what is left to post and give the claim back; None when it was taken over meanwhile."""
        return self._write(kept, pending=list(pending) or None, claimed_by=None, claimed_until=None)

    def _claim(self, now: datetime, *, text: bool = False) -> dict[str, Any]:
        until = now + LEASE
        return {"claimed_by": self._me, "claimed_until": until.isoformat() if text else until}

    def _write(self, kept: Kept, **changes: Any) -> Kept | None:
        alert = {name: value for name, value in (kept.alert | changes).items() if value is not None}
        source = {**kept.source, "anthropic": {**kept.source["anthropic"], "alert": alert}}
        with translated(f"Writing to {self.stream}"):
            try:
                done = self._es.index(
                    index=kept.index,
                    id=kept.id,
                    document=source,
                    if_seq_no=kept.seq_no,
                    if_primary_term=kept.primary_term,
                )
            except (ConflictError, NotFoundError):
                return None
        return replace(kept, seq_no=done["_seq_no"], primary_term=done["_primary_term"], source=source)

    def _search(self, filters: list[dict[str, Any]]) -> list[Kept]:
        with translated(f"Looking up {self.stream}"):
            try:
                answer = self._es.search(
                    index=self.stream,
                    query={"bool": {"filter": filters}},
                    size=_MOST,
                    sort=[{"@timestamp": "asc"}],
                    seq_no_primary_term=True,
                    allow_partial_search_results=False,
                )
            except NotFoundError:
                return []
        return list(_kept(answer["hits"]["hits"]))


def _kept(hits: list[dict[str, Any]]) -> Iterator[Kept]:
    for hit in hits:
        yield Kept(hit["_id"], hit["_index"], hit["_seq_no"], hit["_primary_term"], hit["_source"])


def _term(name: str, value: str) -> dict[str, Any]:
    return {"term": {f"{_ALERT}.{name}": value}}
