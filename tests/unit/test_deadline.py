"""A request as a whole has a deadline, however steadily its answer drips: every client, real sockets."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
import trustme

from anthropic_metrics.alerts.webhooks import Poster, Webhook
from anthropic_metrics.config import ElasticsearchSettings, KibanaSettings
from anthropic_metrics.deadline import left, within
from anthropic_metrics.elastic.connect import RotatingTransport, connect
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.kibana.client import KibanaClient
from tests.servers.drip import DripServer, Part

SECONDS = 0.3


@pytest.fixture(params=get_args(Part))
def drip(request: pytest.FixtureRequest) -> Iterator[DripServer]:
    with DripServer(request.param) as server:
        yield server


@pytest.fixture
def drip_tls(tmp_path: Path) -> Iterator[tuple[DripServer, Path]]:
    """A server with TLS, and the file of its authority."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with DripServer("head", tls=context) as server:
        yield server, tmp_path / "ca.pem"


def ask_elasticsearch(settings: ElasticsearchSettings) -> None:
    with connect(settings) as es:
        assert isinstance(es.transport, RotatingTransport)
        assert es.transport.seconds == 120
        es.transport.seconds = SECONDS
        with pytest.raises(RetryLater, match="no answer in time"), translated("Asking"):
            es.cluster.health()


def ask_kibana(settings: KibanaSettings) -> None:
    with (
        KibanaClient(settings, seconds=SECONDS) as client,
        pytest.raises(RetryLater, match="did not answer in time"),
    ):
        client.request("GET", "/api/spaces/space")


def test_elasticsearch_must_have_answered_whole_by_the_deadline(drip: DripServer) -> None:
    ask_elasticsearch(ElasticsearchSettings(hosts=(drip.url,)))


def test_kibana_must_have_answered_whole_by_the_deadline(drip: DripServer) -> None:
    ask_kibana(KibanaSettings(url=drip.url))


def test_a_webhook_must_have_answered_whole_by_the_deadline(drip: DripServer) -> None:
    poster = Poster(threading.Event(), waits=(0, 0), seconds=SECONDS)
    with pytest.raises(RetryLater, match="no answer in time"):
        poster.post(Webhook("w", drip.url, "json"), {"text": "alert"})


def test_the_deadline_holds_over_tls(drip_tls: tuple[DripServer, Path]) -> None:
    server, authority = drip_tls
    ask_elasticsearch(ElasticsearchSettings(hosts=(server.url,), ca_certs=authority))
    ask_kibana(KibanaSettings(url=server.url, ca_certs=authority))


def test_the_deadline_holds_through_a_proxy(drip: DripServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", drip.url)
    ask_elasticsearch(ElasticsearchSettings(hosts=("http://elasticsearch.test:9200",)))
    ask_kibana(KibanaSettings(url="http://kibana.test:5601"))


def test_a_deadline_is_of_its_block_and_its_thread_and_never_longer_than_the_one_around_it() -> None:
    assert left(30) == 30
    assert left(None) is None
    with within(1000), within(5000):
        rest = left(None)
        assert rest is not None
        assert rest <= 1000
        assert left(1) == 1
        elsewhere: list[float | None] = []
        thread = threading.Thread(target=lambda: elsewhere.append(left(None)))
        thread.start()
        thread.join()
        assert elsewhere == [None]
    assert left(None) is None
    with within(0), pytest.raises(TimeoutError):
        left(30)
