"""A stream with a document of use that is an alert, and an agent that evaluates and posts to two webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.watch import Watch
from anthropic_metrics.alerts.webhooks import Poster
from anthropic_metrics.config import AlertSettings, Config, ElasticsearchSettings
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import SettableClock
from tests.servers.webhook import Inbox, webhook

NOW = datetime(2026, 11, 18, 12, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
ELEVEN = datetime(2026, 11, 18, 11, tzinfo=UTC)


@dataclass
class Office:
    """A stream with one document of use that is an alert, and two webhooks."""

    es: Elasticsearch
    config: Config
    inbox: Inbox
    clock: SettableClock
    polled: bool = True

    def watch(self, *, is_settled: bool = True, poster: Poster | None = None, owner: str = "") -> Watch:
        """An agent; with a `poster` of its own it stops when that one does."""
        stop = poster.stop if poster else threading.Event()
        return Watch(
            self.config,
            self.es,
            clock=self.clock.now,
            stop=stop,
            poster=poster or Poster(stop, waits=(0, 0)),
            is_settled=lambda: is_settled,
            owner=owner,
        )

    def evaluate(self, watch: Watch | None = None) -> Tally:
        """A turn of the watch, after a poll of usage that succeeded unless `polled` is False."""
        if self.polled:
            self._poll()
        tally = Tally("alerts", "")
        (watch or self.watch()).evaluate(tally)
        return tally

    def _poll(self) -> None:
        source: dict[str, Any] = {
            "@timestamp": self.clock.now().isoformat(),
            "agent": {"name": "anthropic-metrics"},
            "event": {"action": "poll", "outcome": "success"},
            "anthropic": {"poll": {"stream": f"metrics-anthropic_metrics.usage-{self.config.namespace}"}},
        }
        stream = f"metrics-anthropic_metrics.agent-{self.config.namespace}"
        self.es.index(index=stream, document=source, op_type="create", refresh=True)

    def use(self, model: str, tokens: int, hour: datetime = ELEVEN) -> None:
        source: dict[str, Any] = {
            "@timestamp": hour.isoformat(),
            "agent": {"name": "anthropic-metrics"},
            "anthropic": {"model": model, "usage": {"total_tokens": tokens}},
        }
        stream = f"metrics-anthropic_metrics.usage-{self.config.namespace}"
        self.es.index(index=stream, document=source, op_type="create", refresh=True)

    def die_before_posting(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An agent evaluates the rules and is killed when it is about to post."""

        def killed(*_: object, **__: object) -> None:
            raise SystemExit

        first = self.watch()
        with monkeypatch.context() as patch:
            patch.setattr(first, "_post", killed)
            with pytest.raises(SystemExit):
                self.evaluate(first)

    def texts(self) -> list[str]:
        """The texts posted since the last look; both webhooks got as many."""
        taken, self.inbox.taken = self.inbox.taken, []
        texts = [body["text"] for path, body in taken if path == "/slack"]
        assert len(texts) == sum(path == "/json" for path, _ in taken)
        return texts

    def alerts(self) -> list[dict[str, Any]]:
        stream = f"metrics-anthropic_metrics.alert-{self.config.namespace}"
        self.es.indices.refresh(index=stream)
        alerts = {"exists": {"field": "anthropic.alert.id"}}
        answer = self.es.search(index=stream, size=100, query=alerts, sort=["anthropic.alert.fired_at"])
        hits = answer["hits"]["hits"]
        return [hit["_source"]["anthropic"]["alert"] for hit in hits]


@pytest.fixture
def office(es: Elasticsearch, elasticsearch_url: str, namespace: str) -> Iterator[Office]:
    with webhook() as inbox:
        alerts = AlertSettings(
            evaluate=True,
            rules=("token_spike",),
            webhooks=(f"{inbox.url}/json",),
            slack_webhooks=(f"{inbox.url}/slack",),
        )
        config = Config(
            elasticsearch=ElasticsearchSettings(hosts=(elasticsearch_url,)),
            namespace=namespace,
            alerts=alerts,
        )
        ensure(es, config)
        yield Office(es, config, inbox, SettableClock(NOW))
