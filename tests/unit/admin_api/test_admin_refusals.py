"""What the Admin API refuses, how it is told, and that the key is in none of it."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import cast

import httpx
import pytest
import structlog

from anthropic_metrics.admin_api.client import AdminClient, _tls
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.errors import (
    AuthError,
    BadRequest,
    BrokenContract,
    ConfigError,
    MetricsError,
    RetryLater,
)
from tests.harness.admin_script import ADMIN, GOOD, KEY, ME, OAUTH, ORDINARY, OTHER, Make, refusal

# Refusals


def test_a_400_carries_the_servers_words_its_request_id_and_the_query(scripted: Make) -> None:
    it = scripted(refusal(400, "Cannot specify more than 5 group_by[] dimensions."))
    with pytest.raises(BadRequest) as raised:
        it.client.get("/v1/x", [("group_by[]", "model"), ("starting_at", "2026-01-01T00:00:00Z")])
    text = str(raised.value)
    assert raised.value.status == 400
    for part in (
        "400 invalid_request_error",
        "Cannot specify more than 5 group_by[] dimensions.",
        "req_head",
        "/v1/x?group_by[]=model&starting_at=2026-01-01T00:00:00Z",
    ):
        assert part in text
    assert len(it.script.requests) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 413, 422])
def test_a_refused_query_is_not_asked_again(scripted: Make, status: int) -> None:
    it = scripted(refusal(status))
    with pytest.raises(BadRequest) as raised:
        it.client.get(ME)
    assert raised.value.status == status
    assert it.slept == []


def test_a_redirect_is_not_followed_and_named_without_its_path(scripted: Make) -> None:
    it = scripted(httpx.Response(302, headers={"location": "https://login.corp.test/sso?token=abc"}))
    with pytest.raises(BadRequest, match=r"https://login\.corp\.test: check anthropic\.base_url") as raised:
        it.client.get(ME)
    assert "abc" not in str(raised.value)
    assert len(it.script.requests) == 1


@pytest.mark.parametrize(
    ("key", "status", "cure"),
    [
        pytest.param(ORDINARY, 401, "This is an ordinary API key", id="ordinary key, 401"),
        pytest.param(ORDINARY, 403, "This is an ordinary API key", id="ordinary key, 403"),
        pytest.param(ADMIN, 401, "The Admin key is wrong, disabled or deleted", id="wrong Admin key"),
        pytest.param(ADMIN, 403, "may not read this", id="Admin key without the right"),
        pytest.param(OAUTH, 401, "scope org:admin", id="token expired"),
        pytest.param(OAUTH, 403, "scope org:admin", id="token without the scope"),
        pytest.param(OTHER, 401, "does not look like a key", id="something else"),
    ],
)
def test_a_refused_key_is_told_from_an_ordinary_one(scripted: Make, key: str, status: int, cure: str) -> None:
    it = scripted(refusal(status, "invalid x-api-key", "authentication_error"), key=key)
    with pytest.raises(AuthError, match=cure) as raised:
        it.client.get(ME)
    assert "anthropic.admin_key_file" in str(raised.value)
    assert "invalid x-api-key" in str(raised.value)
    assert key not in str(raised.value)


def test_a_rotated_key_file_is_read_again_and_the_request_repeated_once(
    scripted: Make, tmp_path: Path
) -> None:
    file = tmp_path / "key"
    file.write_text(ADMIN)
    settings = AnthropicSettings.model_validate({"admin_key_file": file})

    def server(request: httpx.Request) -> httpx.Response:
        return GOOD if request.headers["x-api-key"] == "sk-ant-admin01-new" else refusal(401)

    it = scripted(server, settings=settings)
    with pytest.raises(AuthError):
        it.client.get(ME)
    assert len(it.script.requests) == 1  # unchanged: nothing to try again with
    file.write_text("sk-ant-admin01-new\n")
    assert it.client.get(ME)["id"] == "org_1"
    file.write_text("sk-ant-admin01-newer")
    it.client.get(ME)
    assert len(it.script.requests) == 4


@pytest.mark.parametrize("body", ["[]", "null", "3", '"text"', "true"])
def test_json_that_is_no_object_breaks_the_contract(scripted: Make, body: str) -> None:
    it = scripted(httpx.Response(200, text=body))
    with pytest.raises(BrokenContract):
        it.client.get(ME)


def test_foreign_words_are_cut_and_made_printable(scripted: Make) -> None:
    it = scripted(refusal(400, "\x1b[31mred\n\x00" + "x" * 10_000, "k" * 1000))
    with pytest.raises(BadRequest) as raised:
        it.client.get(ME)
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 600


def test_a_proxys_page_is_quoted_when_there_is_no_error_object(scripted: Make) -> None:
    it = scripted(httpx.Response(403, text="<h1>Blocked by ACME filter</h1>"))
    with pytest.raises(AuthError, match="Blocked by ACME filter"):
        it.client.get(ME)


# The key stays out of sight


@pytest.mark.parametrize(("key", "header"), [(ADMIN, "x-api-key"), (OAUTH, "authorization")])
@pytest.mark.parametrize("answer", [GOOD, httpx.ReadError("reset")])
def test_a_request_that_is_over_no_longer_holds_the_key(
    scripted: Make, key: str, header: str, answer: httpx.Response | Exception
) -> None:
    it = scripted(answer, key=key, retry=RetryPolicy(attempts=1))
    with suppress(RetryLater):
        it.client.get(ME)
    assert header in it.script.headers[0]
    assert header not in it.script.requests[0].headers


class Leaky:
    """An error deep in the transport, with the signed request in its hands, as httpx has it."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("connection reset", request=request)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(Leaky(), id="transport error"),
        pytest.param(refusal(500, f"bad header x-api-key: {KEY}"), id="500 that sends the key back"),
        pytest.param(refusal(401, f"invalid key {KEY}", KEY), id="401 that sends the key back"),
        pytest.param(refusal(400, f"invalid key {KEY}"), id="400 that sends the key back"),
        pytest.param(httpx.Response(200, text="{"), id="malformed"),
        pytest.param(httpx.Response(200, text="[]"), id="no object"),
    ],
)
def test_the_key_is_in_no_error_log_or_traceback_at_debug_level(
    scripted: Make,
    answer: httpx.Response,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    it = scripted(answer, retry=RetryPolicy(attempts=2))
    with structlog.testing.capture_logs() as events, pytest.raises(MetricsError) as raised:
        it.client.get(ME)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    told: list[str] = [str(event) for event in events]
    error: BaseException | None = raised.value
    while error is not None:
        frames = error.__traceback__.tb_next if error is raised.value and error.__traceback__ else None
        shown = traceback.TracebackException(type(error), error, frames, capture_locals=True)
        told += [repr(error), str(error), repr(vars(error)), *shown.format(chain=False)]
        assert not isinstance(error, httpx.HTTPError)
        error = error.__cause__ or error.__context__
    told += [caplog.text, *capsys.readouterr(), repr(it.client), repr(vars(it.client))]
    assert all(KEY not in text for text in told)


@pytest.mark.parametrize("key", ["sk-ant-admin01-a b", "sk-ant-admin01-é", "sk-ant-admin01-a\nb"])
def test_a_key_that_no_header_can_hold_is_a_configuration_error_that_does_not_show_it(key: str) -> None:
    class Held:
        def get(self) -> str:
            return key

    class Settings:
        def secret(self) -> Held:
            return Held()

        timeout, requests_per_minute, ca_file, base_url = timedelta(seconds=1), 60, None, "http://x.test"
        parent = False

    with pytest.raises(ConfigError, match=r"anthropic\.admin_key") as raised:
        AdminClient(cast(AnthropicSettings, Settings()))
    assert "admin01" not in str(raised.value)


def test_clients_of_one_agent_share_the_authorities_that_they_trust() -> None:
    settings = AnthropicSettings.model_validate({"admin_key": "sk-ant-admin01-simulated"})
    with AdminClient(settings), AdminClient(settings):
        before = _tls.cache_info().misses
        AdminClient(settings).close()
        assert _tls.cache_info().misses == before
