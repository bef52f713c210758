"""Several organizations may write to one namespace: none reads what belongs to another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from elasticsearch import Elasticsearch

from anthropic_metrics.config import Config
from anthropic_metrics.derived.due import Due
from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import prepare
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.headroom.derivation import Headroom
from anthropic_metrics.kernel.datasets import AGENT, USAGE_1M, stream_name

NINE = datetime(2026, 11, 20, 9, tzinfo=UTC)
OURS, THEIRS = "org-1", "org-2"


def test_a_poll_of_another_organization_does_not_make_headroom_complete(
    es: Elasticsearch, namespace: str
) -> None:
    config = Config(namespace=namespace)
    ensure(es, config)
    headroom = Headroom.of(config)
    assert headroom is not None
    minutes = stream_name(USAGE_1M, namespace)
    agent = stream_name(AGENT, namespace)
    polls = [(OURS, NINE), (THEIRS, NINE + timedelta(hours=1))]
    for organization, at in polls:
        poll = {"poller": "usage", "stream": minutes, "window_start": at, "window_end": at}
        document = agent_document(
            "poll",
            at=at,
            now=at,
            namespace=namespace,
            organization={"id": organization},
            anthropic={"poll": poll},
            event={"outcome": "success"},
        )
        Streams(es).append(agent, [prepare(organization, document)])
    es.indices.refresh(index=agent)
    assert Due(headroom, ElasticQuestions(es), OURS).read_at() == NINE
