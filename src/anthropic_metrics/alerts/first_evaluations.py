"""Which rules have been evaluated before, and which agent may evaluate the others for the first time.

One document of the alert stream says both for all agents of a namespace. A rule counts as another one when
its query changes, such as by a new threshold.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from anthropic_metrics.alerts.claims import Claimant
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.documents.alert import AlertDocument
from anthropic_metrics.documents.identity import prepare
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.versioned import Versioned, VersionedStream
from anthropic_metrics.kernel.datasets import ALERT, stream_name
from anthropic_metrics.kernel.digests import digest_of_values, hex_digest

_ID = digest_of_values("alerting")
# Rules of agents with other rules or thresholds are remembered too, the last ones.
_MOST = 500


class FirstEvaluations:
    """The document of one namespace. `me` tells this agent from others.

    Every method raises MetricsError when Elasticsearch is away.
    """

    def __init__(self, es: Client, namespace: str, me: str, *, stop: threading.Event | None = None) -> None:
        self._namespace = namespace
        self._claimant = Claimant(me)
        stream = stream_name(ALERT, namespace)
        self._documents = VersionedStream(es, stream, stop=stop)
        # A claim is given back even by an agent that is asked to stop.
        self._releasing = VersionedStream(es, stream)

    def keys(self) -> set[str]:
        """The rules that were evaluated before, as `key_of` names them."""
        document = self._find()
        return set(_alerting(document).get("evaluated") or ()) if document else set()

    def claim(self, now: datetime) -> bool:
        """Claim first evaluations and the summary, or renew the claim; False while another agent has it."""
        document = self._find()
        if document is None:
            return self._documents.create(_ID, self._source(now))
        alerting = _alerting(document)
        if not (self._claimant.has(alerting) or self._claimant.may_take(alerting, now)):
            return False
        claimed = alerting | self._claimant.claim(now)
        return self._documents.replace(document, document.changed("alerting", claimed))

    def add(self, rules: Iterable[Rule], every: Iterable[Rule]) -> None:
        """Note that these of `every` rule of this agent were evaluated; of the agent with the claim."""
        keys = [key_of(rule) for rule in rules]
        document = self._find()
        if document is None or not keys:
            return
        alerting = _alerting(document)
        own = {key_of(rule) for rule in every}
        evaluated = {"evaluated": remembered(alerting.get("evaluated") or (), keys, own)}
        self._documents.replace(document, document.changed("alerting", alerting | evaluated))

    def release(self) -> None:
        """Give the claim back, if it is still this agent's."""
        document = self._find()
        if document is None or not self._claimant.has(_alerting(document)):
            return
        alerting = {
            name: value for name, value in _alerting(document).items() if not name.startswith("claimed_")
        }
        self._releasing.replace(document, document.changed("alerting", alerting))

    def _find(self) -> Versioned | None:
        self._documents.refresh()
        return next(iter(self._documents.find([{"ids": {"values": [_ID]}}])), None)

    def _source(self, now: datetime) -> dict[str, Any]:
        document = AlertDocument.model_validate(
            {
                "timestamp": now,
                "data_stream": {"dataset": ALERT, "namespace": self._namespace},
                "event": {"dataset": ALERT, "category": ["api"], "created": now},
                "anthropic": {"alerting": self._claimant.claim(now)},
            }
        )
        return prepare(_ID, document).source


def remembered(known: Iterable[str], keys: Sequence[str], own: Collection[str]) -> list[str]:
    """The keys to remember: `keys`, all that are known of the agent's `own`, and the last ones of others."""
    before = [key for key in known if key not in keys]
    others = [key for key in before if key not in own]
    return [*others[-_MOST:], *(key for key in before if key in own), *keys]


def key_of(rule: Rule) -> str:
    """The rule as it is now: its key, and a digest of its query."""
    return f"{rule.key} {hex_digest(rule.query, size=6)}"


def _alerting(document: Versioned) -> dict[str, Any]:
    alerting: dict[str, Any] = document.source["anthropic"]["alerting"]
    return alerting
