"""The server as a whole: as a program on the machine's clock, over TLS, and asked by many at once."""

from __future__ import annotations

import queue
import ssl
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import trustme

from anthropic_metrics.simulator import ADMIN_KEY, Behaviour, Simulation, SimulatorServer, serve

HEADERS = {"anthropic-version": "2023-06-01", "x-api-key": ADMIN_KEY}
ME = "/v1/organizations/me"


def test_it_serves_until_it_is_told_to_stop() -> None:
    urls: queue.Queue[str] = queue.Queue()
    stop = threading.Event()
    options: dict[str, Any] = {"days": 2, "behaviour": Behaviour(open_bucket="partial")}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(serve, ready=urls.put, stop=stop, **options)
        url = urls.get(timeout=20)
        assert httpx.get(url + ME, headers=HEADERS).json()["type"] == "organization"
        stop.set()
        running.result(20)
    with pytest.raises(httpx.ConnectError):
        httpx.get(url + ME, headers=HEADERS)


def test_it_speaks_tls_to_those_who_trust_its_certificate(simulation: Simulation) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with SimulatorServer(simulation, tls=context) as server:
        assert server.url.startswith("https://")
        assert httpx.get(server.url + ME, headers=HEADERS, verify=trusting).status_code == 200
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            httpx.get(server.url + ME, headers=HEADERS)


def test_many_readers_at_once_get_the_same_answer(server: SimulatorServer) -> None:
    url = server.url + "/v1/organizations/usage_report/messages"
    query = {
        "starting_at": "2026-11-15T00:00:00Z",
        "bucket_width": "1h",
        "limit": "100",
        "group_by[]": "model",
    }
    with httpx.Client(headers=HEADERS) as client, ThreadPoolExecutor(8) as pool:
        bodies = list(pool.map(lambda _: client.get(url, params=query).text.split("has_more")[0], range(16)))
    assert len(set(bodies)) == 1
    assert len(server.requests) == 16
