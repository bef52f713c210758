"""The memory of alerts, in a stream of its own: which are active, and what has still to be posted.

A stream of ours needs no rights beside those the agent has, and its documents double as the history of
alerts. Creating one under an id of rule, alert and episode, and changing it only under its version, keeps
two agents from posting the same thing: Elasticsearch lets one of them win.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from anthropic_metrics.alerts.claims import Claimant
from anthropic_metrics.alerts.execute import Alert
from anthropic_metrics.alerts.messages import subject
from anthropic_metrics.alerts.organizations import ID, NAME
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.documents.alert import AlertDocument
from anthropic_metrics.documents.identity import prepare
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.versioned import Versioned, VersionedStream
from anthropic_metrics.kernel.datasets import ALERT, stream_name
from anthropic_metrics.kernel.digests import digest_of_values
from anthropic_metrics.kernel.ranges import iso

_ALERT = "anthropic.alert"
# In `pending`, before the name of a webhook: the alert is told in the summary, not by itself.
SUMMARY = "summary "


class StoredAlert:
    """An alert as the stream stores it."""

    def __init__(self, document: Versioned) -> None:
        self.document = document

    @property
    def alert(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document.source["anthropic"]["alert"]
        return found

    @property
    def organization(self) -> str:
        """Whose alert it is; empty where there is one organization."""
        return str(self.document.source.get("organization", {}).get("name") or "")

    @property
    def pending(self) -> list[str]:
        return list(self.alert.get("pending") or ())

    @property
    def is_open(self) -> bool:
        return bool(self.alert["status"] == "active")

    @property
    def in_summary(self) -> list[str]:
        """The webhooks whose summary is to count this alert."""
        return [owed.removeprefix(SUMMARY) for owed in self.pending if owed.startswith(SUMMARY)]

    @property
    def alone(self) -> list[str]:
        """What is still to be posted of this alert by itself."""
        return [owed for owed in self.pending if not owed.startswith(SUMMARY)]


class RuleAlerts:
    """The alerts of one rule, as of one moment."""

    def __init__(self, stored: Sequence[StoredAlert]) -> None:
        self._alerts = stored
        self.active = {each.alert["id"]: each for each in stored if each.is_open}

    def episodes(self, identity: str) -> int:
        """How often this id was an alert so far."""
        return sum(each.alert["id"] == identity for each in self._alerts)

    def ended_since(self, identity: str, moment: datetime) -> bool:
        """Whether another agent, which looked at `moment` or later, has already seen its end."""
        ends = (each.alert.get("recovered_at") for each in self._alerts if each.alert["id"] == identity)
        return any(datetime.fromisoformat(end) >= moment for end in ends if end)


class AlertState:
    """The stream of one namespace. `me` tells this agent from others."""

    def __init__(self, es: Client, namespace: str, me: str, *, stop: threading.Event | None = None) -> None:
        self._namespace = namespace
        self._claimant = Claimant(me)
        self.stream = stream_name(ALERT, namespace)
        self._documents = VersionedStream(es, self.stream, stop=stop)
        # What was posted is noted even by an agent that is asked to stop.
        self._noting = VersionedStream(es, self.stream)

    def refresh(self) -> None:
        """Make all that was acknowledged visible to the next reads."""
        self._documents.refresh()

    def of_rule(self, rule: Rule, ids: Collection[str]) -> RuleAlerts:
        """The rule's active alerts and all that is known of `ids`, as of one moment."""
        either = [_term("status", "active"), {"terms": {f"{_ALERT}.id": list(ids)}}]
        return RuleAlerts(self._find(_term("rule", rule.key), {"bool": {"should": either}}))

    def claimed(self, now: datetime) -> list[StoredAlert]:
        """The alerts that this agent has to post one by one, oldest first: its own, and what no other agent
        claims. Each claim lasts for half a lease at least."""
        unposted = self._unposted()
        free = [stored for stored in unposted if self._claimant.must_claim(stored.alert, now)]
        if not free:
            return [stored for stored in unposted if self._claimant.has(stored.alert)]
        for stored in free:
            self._write(stored, **self._claimant.claim(now))
        self.refresh()
        return [stored for stored in self._unposted() if self._claimant.has(stored.alert)]

    def _unposted(self) -> list[StoredAlert]:
        return [stored for stored in self.pending() if stored.alone]

    def pending(self) -> list[StoredAlert]:
        """Everything that somebody has to post, by itself or in a summary; oldest first."""
        return self._find({"exists": {"field": f"{_ALERT}.pending"}})

    def count_open(self, *, refresh: bool = True) -> int:
        """How many alerts are open, whoever raised them; without `refresh`, which takes the right to write,
        as of the last one."""
        if refresh:
            self.refresh()
        return len(self.open())

    def open(self) -> list[StoredAlert]:
        """The open alerts, whoever raised them; oldest first."""
        return self._find(_term("status", "active"))

    def fire(self, rule: Rule, alert: Alert, episode: int, now: datetime, pending: Sequence[str]) -> bool:
        """Note a new alert and claim its posting; False when another agent was faster.

        Nobody claims what is told in a summary: whoever may post the summary tells of all of them.
        """
        identity = digest_of_values(rule.key, alert.id, episode)
        document = AlertDocument.model_validate(
            {
                "timestamp": now,
                "data_stream": {"dataset": ALERT, "namespace": self._namespace},
                "event": {"dataset": ALERT, "category": ["api"], "created": now},
                "organization": _organization(rule, alert),
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
                        **({} if _is_summed(pending) else self._claimant.claim(now)),
                    }
                },
            }
        )
        return self._documents.create(identity, prepare(identity, document).source)

    def recover(
        self, stored: StoredAlert, now: datetime, pending: Sequence[str], *, reason: str | None = None
    ) -> bool:
        """Note an alert's end and claim its posting; False when another agent was faster.

        `reason` says why it ended if its rule was not run. What could not be posted of its beginning yet is
        still posted, before its end.
        """
        owed = list(dict.fromkeys((*stored.pending, *pending)))
        return self._write(
            stored,
            status="recovered",
            recovered_at=iso(now),
            reason=reason,
            pending=owed or None,
            **({} if _is_summed(owed) else self._claimant.claim(now)),
        )

    def settle(self, stored: StoredAlert, pending: Sequence[str]) -> bool:
        """Keep what is left to post and give the claim back; False when it was taken over meanwhile."""
        changes = {"pending": list(pending) or None, "claimed_by": None, "claimed_until": None}
        return self._noting.replace(stored.document, _changed(stored, **changes))

    def give_back(self) -> None:
        """Give back every claim of this agent, which is asked to stop, so that the next one need not wait."""
        self.refresh()
        own = [stored for stored in self._unposted() if self._claimant.has(stored.alert)]
        self._noting.replace_all(
            (stored.document, _changed(stored, claimed_by=None, claimed_until=None)) for stored in own
        )

    def mark_posted(self, summed: Collection[StoredAlert], webhook: str) -> None:
        """Note that the summary of these alerts is posted. One that changed meanwhile is told again."""
        self._noting.replace_all(
            (stored.document, _changed(stored, pending=_without(stored.pending, SUMMARY + webhook)))
            for stored in summed
        )

    def _write(self, stored: StoredAlert, **changes: Any) -> bool:
        return self._documents.replace(stored.document, _changed(stored, **changes))

    def _find(self, *filters: Mapping[str, Any]) -> list[StoredAlert]:
        return [StoredAlert(document) for document in self._documents.find(list(filters))]


def _changed(stored: StoredAlert, **changes: Any) -> dict[str, Any]:
    """The alert's document with other values; None takes a field out."""
    alert = {name: value for name, value in (stored.alert | changes).items() if value is not None}
    return stored.document.changed("alert", alert)


def _without(pending: Sequence[str], owed: str) -> list[str] | None:
    return [other for other in pending if other != owed] or None


def _is_summed(pending: Sequence[str]) -> bool:
    return bool(pending) and all(owed.startswith(SUMMARY) for owed in pending)


def _organization(rule: Rule, alert: Alert) -> dict[str, Any] | None:
    """Whose alert it is, of several organizations."""
    known = {"id": alert.row.get(ID), "name": alert.row.get(NAME) or rule.organization or None}
    return known if any(known.values()) else None


def _term(name: str, value: str) -> dict[str, Any]:
    return {"term": {f"{_ALERT}.{name}": value}}
