"""What may be shown: no secret in any form, and nothing that steers a terminal."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import httpx
import pytest
from prometheus_client import CollectorRegistry, Gauge

from anthropic_metrics.config import HealthSettings
from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import prepare
from anthropic_metrics.elastic.failures import reason
from anthropic_metrics.errors import BadRequest
from anthropic_metrics.health import Health
from anthropic_metrics.health_server import HealthServer
from anthropic_metrics.redaction import MARK, Redaction, excerpt, printable, redact

SECRET = "pä/ss&w<rd+of=redaction"
ENCODED = b64encode(b"VuaCfGcBCdbkQm:ui2lp2axTNmsyakw9tvNnw").decode()


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET),
        json.dumps(SECRET)[1:-1],
        escape(SECRET),
        repr(SECRET)[1:-1],
    ],
)
def test_a_secret_is_known_however_it_is_written(written: str) -> None:
    redaction = Redaction()
    redaction.add(SECRET)
    assert redaction.scrub(f"<{written}>") == f"<{MARK}>"


def test_an_encoded_key_of_elasticsearch_hides_the_key_inside_it() -> None:
    redaction = Redaction()
    redaction.add(ENCODED)
    assert redaction.scrub(f"ApiKey {ENCODED}, key ui2lp2axTNmsyakw9tvNnw") == f"ApiKey {MARK}, key {MARK}"


@pytest.mark.parametrize(
    "shown",
    [
        "HTTP://LOCALHOST:80/T0001/SecretPart",
        "http://localhost/T0001/SecretPart",
        "/T0001/SecretPart",
        "POST /T0001/SecretPart HTTP/1.1",
        "the last part is SecretPart",
    ],
)
def test_a_webhook_is_known_in_every_normal_form(shown: str) -> None:
    redaction = Redaction()
    redaction.add_url("HTTP://LOCALHOST:80/T0001/SecretPart")
    assert "SecretPart" not in redaction.scrub(shown)


def test_what_httpx_makes_of_a_webhook_is_known() -> None:
    redaction = Redaction()
    url = "HTTPS://Hooks.Example.COM:443/services/T0AA/b%2dc?token=abc123DEF"
    redaction.add_url(url)
    shown = redaction.scrub(f"{httpx.URL(url)} {httpx.Request('POST', url).url.raw_path.decode()}")
    assert "abc123DEF" not in shown
    assert "services" not in shown


@pytest.mark.parametrize("key", ["sk-ant-admin01-abcdefgh", "xoxb-1234567890-abc", "ghp_abcdefgh12345678"])
def test_an_issued_key_is_hidden_without_being_known(key: str) -> None:
    assert Redaction().scrub(f"key {key}, refused") == f"key {MARK}, refused"


def test_a_secret_is_taken_out_before_a_text_is_cut() -> None:
    redact.add("cut-in-the-middle-0123456789")
    for length in range(2, 60):
        assert "cut-in" not in excerpt("cut-in-the-middle-0123456789 was refused", length)
        assert len(excerpt("cut-in-the-middle-0123456789 was refused", length)) <= length
    long = {"error": {"type": "x", "reason": "y" * 990 + " cut-in-the-middle-0123456789"}}
    assert "cut-in" not in reason(long)


def test_control_characters_are_spelled_out() -> None:
    assert printable("a\x1b[2J\x9b\n\u202e\ud800é") == "a\\x1b[2J\\x9b\\n\\u202e\\ud800é"


def test_an_error_holds_no_secret_from_the_beginning() -> None:
    redact.add("echoed-authorization-1")
    error = BadRequest("ApiKey echoed-authorization-1 is wrong", cure="Not echoed-authorization-1")
    assert "echoed" not in f"{error} {error.message} {error.cure} {error.args} {error!r}"


def test_a_document_holds_no_secret_and_its_hash_is_of_what_it_says() -> None:
    redact.add("echoed-authorization-2")
    at = datetime(2026, 1, 1, tzinfo=UTC)

    def document(failure: str) -> bytes:
        made = agent_document(
            "poll", at=at, now=at, namespace="x", organization=None, anthropic={}, event={}, failure=failure
        )
        return prepare("id", made).body

    assert b"echoed" not in document("refused echoed-authorization-2")
    assert document("refused echoed-authorization-2") == document(f"refused {MARK}")


def test_no_metric_and_no_health_page_holds_a_secret() -> None:
    redact.add("echoed-authorization-3")
    registry = CollectorRegistry()
    Gauge("x", "x", ["name"], registry=registry).labels("echoed-authorization-3").set(1)

    class Sick(Health):
        def as_dict(self) -> dict[str, Any]:
            return {"why": "echoed-authorization-3"}

    health = Sick({"x": timedelta(minutes=5)})
    with HealthServer(HealthSettings(port=0), health, registry) as server:
        url = server.url
        assert b"echoed" not in urlopen(f"{url}/metrics").read()
        assert "echoed" not in httpx.get(f"{url}/readyz", trust_env=False).text
