"""Which rules the agents of a namespace have: an alert whose rule none of them has is over.

Each agent notes its rules in a document of the alert stream. Agents of the same keys share one, so that a
restarted agent replaces what it noted before; those of other keys may have other rules.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.documents.alert import AlertDocument
from anthropic_metrics.documents.identity import prepare
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.versioned import Versioned, VersionedStream
from anthropic_metrics.kernel.datasets import ALERT, stream_name
from anthropic_metrics.kernel.digests import digest_of_values
from anthropic_metrics.kernel.ranges import iso

# An unchanged note is renewed so often.
_RENEWED_AFTER = timedelta(days=1)
# An agent that has not renewed its note for so long is gone, and its rules with it.
_GONE_AFTER = timedelta(days=3)


class RuleLists:
    """The notes of one namespace. `owner` tells agents of these keys from those of others."""

    def __init__(
        self, es: Client, namespace: str, owner: str, *, stop: threading.Event | None = None
    ) -> None:
        self._namespace = namespace
        self._id = digest_of_values("rules", owner)
        self._documents = VersionedStream(es, stream_name(ALERT, namespace), stop=stop)

    def note(self, own: Collection[str], now: datetime) -> Callable[[str], bool]:
        """Note the keys of this agent's `own` rules; tells of a key whether no agent has the rule any more.

        That is clear of a rule that this agent had when it last noted its rules. One that it never had may be
        of an agent without a note, such as one of an earlier version: it counts as gone once the note of this
        agent is `_GONE_AFTER` old. Raises MetricsError when Elasticsearch is away.
        """
        self._documents.refresh()
        found = self._documents.find([{"exists": {"field": "anthropic.alerting.seen_at"}}])
        notes = {document.copy.id: document for document in found}
        before = notes.pop(self._id, None)
        noted = {"rules": sorted(own), "seen_at": iso(now)}
        if before is None:
            self._documents.create(self._id, self._source(noted, now))
            return lambda _: False
        had = _rules(before)
        if had != noted["rules"] or not now - _RENEWED_AFTER < _seen_at(before) <= now:
            self._documents.replace(before, before.changed("alerting", noted))
        others = [_rules(note) for note in notes.values() if _seen_at(note) > now - _GONE_AFTER]
        known = {*own, *(key for rules in others for key in rules)}
        is_old = datetime.fromisoformat(before.source["@timestamp"]) <= now - _GONE_AFTER
        return lambda key: key not in known and (is_old or key in had)

    def _source(self, noted: dict[str, Any], now: datetime) -> dict[str, Any]:
        document = AlertDocument.model_validate(
            {
                "timestamp": now,
                "data_stream": {"dataset": ALERT, "namespace": self._namespace},
                "event": {"dataset": ALERT, "category": ["api"], "created": now},
                "anthropic": {"alerting": noted},
            }
        )
        return prepare(self._id, document).source


def _alerting(document: Versioned) -> dict[str, Any]:
    alerting: dict[str, Any] = document.source["anthropic"]["alerting"]
    return alerting


def _rules(document: Versioned) -> list[str]:
    return list(_alerting(document).get("rules") or ())


def _seen_at(document: Versioned) -> datetime:
    return datetime.fromisoformat(_alerting(document)["seen_at"])
