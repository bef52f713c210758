"""What the client sends, when it asks again and how long it waits."""

from __future__ import annotations

import gzip
import json
import threading
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_metrics.admin_api.client import AdminClient, Priority
from anthropic_metrics.admin_api.pages import read_list
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.errors import (
    AnswerTooLarge,
    ConfigError,
    MetricsError,
    RetryLater,
    Stopped,
)
from anthropic_metrics.links import see
from tests.harness.admin_script import ADMIN, GOOD, KEY, ME, OAUTH, ORDINARY, OTHER, Make, refusal

# What is sent


def test_a_request_says_who_asks_and_in_which_version(scripted: Make) -> None:
    it = scripted(GOOD)
    assert it.client.get(ME, [("group_by[]", "model"), ("group_by[]", "speed")]) == {"id": "org_1"}
    sent = it.script.headers[0]
    assert sent["anthropic-version"] == "2023-06-01"
    assert sent["user-agent"].startswith("anthropic-metrics/")
    assert "(+https://" in sent["user-agent"]
    assert sent["accept-encoding"] == "gzip"
    assert it.script.requests[0].url.params.get_list("group_by[]") == ["model", "speed"]


@pytest.mark.parametrize(
    ("key", "header", "value"),
    [
        pytest.param(ADMIN, "x-api-key", ADMIN, id="an Admin key"),
        pytest.param(ORDINARY, "x-api-key", ORDINARY, id="an ordinary key is tried too"),
        pytest.param(OAUTH, "authorization", f"Bearer {OAUTH}", id="an OAuth token"),
        pytest.param(OTHER, "x-api-key", OTHER, id="an unknown kind"),
    ],
)
def test_a_key_goes_into_the_header_of_its_kind_and_no_other(
    scripted: Make, key: str, header: str, value: str
) -> None:
    it = scripted(GOOD, key=key)
    it.client.get(ME)
    sent = it.script.headers[0]
    assert sent[header] == value
    assert ({"x-api-key", "authorization"} - {header}).isdisjoint(sent)


def test_a_client_says_what_its_key_looks_like_and_logs_nothing(scripted: Make) -> None:
    with structlog.testing.capture_logs() as events:
        kinds = [scripted(GOOD, key=key).client.auth.kind for key in (ADMIN, ORDINARY)]
    assert kinds == ["admin", "ordinary"]
    assert events == []


def test_headers_of_a_query_are_sent_with_it_alone(scripted: Make) -> None:
    it = scripted(GOOD)
    it.client.get(ME, headers={"anthropic-beta": "fast-mode"})
    it.client.get(ME)
    assert [headers.get("anthropic-beta") for headers in it.script.headers] == ["fast-mode", None]


def test_a_path_in_the_base_url_stays(scripted: Make) -> None:
    settings = AnthropicSettings.model_validate(
        {"admin_key": KEY, "base_url": "https://gateway.test/claude/"}
    )
    it = scripted(GOOD, settings=settings)
    it.client.get(ME)
    assert str(it.script.requests[0].url) == "https://gateway.test/claude/v1/organizations/me"


def test_decimals_in_text_stay_text_and_compressed_bodies_are_read(scripted: Make) -> None:
    packed = httpx.Response(200, headers={"content-encoding": "gzip"}, content=b"")
    packed_body = gzip.compress(b'{"amount": "123.78912000"}')
    it = scripted(lambda _: httpx.Response(200, headers=packed.headers, content=packed_body))
    assert it.client.get(ME) == {"amount": "123.78912000"}


# Trying again


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(refusal(408), id="408"),
        pytest.param(refusal(500), id="500"),
        pytest.param(refusal(502), id="502"),
        pytest.param(refusal(503), id="503"),
        pytest.param(refusal(504), id="504"),
        pytest.param(refusal(529, kind="overloaded_error"), id="529"),
        pytest.param(httpx.ConnectError("refused"), id="connection refused"),
        pytest.param(httpx.ReadTimeout("slow"), id="timeout"),
        pytest.param(httpx.RemoteProtocolError("peer closed"), id="connection lost in the body"),
        pytest.param(httpx.Response(200, text='{"data": [1, 2'), id="half a body"),
        pytest.param(httpx.Response(200, text=""), id="no body"),
        pytest.param(httpx.Response(200, text="<html>sign in</html>"), id="a portal's page"),
        pytest.param(httpx.Response(200, text='{"value": NaN}'), id="a number that JSON does not have"),
    ],
)
def test_what_may_pass_is_asked_again_after_a_growing_wait(
    scripted: Make, failure: httpx.Response | Exception
) -> None:
    told: list[str] = []
    it = scripted(failure, failure, GOOD, on_retry=lambda status, *_: told.append(status))
    assert it.client.get(ME) == {"id": "org_1"}
    first, second = it.slept
    assert (first <= 2, second <= 4) == (True, True)
    status = str(failure.status_code) if isinstance(failure, httpx.Response) else "error"
    assert told == [status] * 2
    assert (it.client.stats.requests, it.client.stats.retries) == (3, 2)


def test_a_failure_that_stays_ends_in_retry_later_with_its_reason(scripted: Make) -> None:
    it = scripted(refusal(529, "Overloaded", "overloaded_error"), retry=RetryPolicy(attempts=3))
    with pytest.raises(RetryLater, match=r"529 overloaded_error \(Overloaded; request id req_head\)"):
        it.client.get(ME)
    assert it.client.stats.by_status == {"529": 3}


def test_a_429_says_what_to_do_and_where_to_read_more(scripted: Make) -> None:
    told: list[str] = []
    limited = refusal(429, "Too many requests.", "rate_limit_error")
    it = scripted(
        limited, retry=RetryPolicy(attempts=2), on_retry=lambda _, reason, _seconds: told.append(reason)
    )
    with pytest.raises(RetryLater, match=r"the agent waits and loses nothing\. If it lasts, lower") as raised:
        it.client.get(ME)
    assert told == [str(raised.value)]
    assert see(told[0]).endswith("troubleshooting.md#the-admin-api-answered-429-to")
    other = scripted(refusal(503), retry=RetryPolicy(attempts=1))
    with pytest.raises(RetryLater, match="loses nothing") as raised:
        other.client.get(ME)
    assert see(str(raised.value)) == ""


@pytest.mark.parametrize("status", [429, 503])
def test_whoever_started_a_command_is_told_to_try_again(scripted: Make, status: int) -> None:
    """No agent asks again for them."""
    it = scripted(refusal(status), retry=RetryPolicy(attempts=1, asks_again=False))
    with pytest.raises(RetryLater, match=rf"answered {status}.* Try again in a minute") as raised:
        it.client.get(ME)
    assert "agent" not in str(raised.value)


def test_a_hold_that_is_too_long_for_a_command_says_to_try_again(scripted: Make) -> None:
    policy = RetryPolicy(attempts=1, longest_wait=timedelta(seconds=5), asks_again=False)
    it = scripted(httpx.Response(429, headers={"retry-after": "33"}), retry=policy)
    for _ in range(2):
        with pytest.raises(RetryLater, match="Try again in a minute"):
            it.client.get(ME)


def test_a_429_waits_as_long_as_it_asks(scripted: Make) -> None:
    limited = httpx.Response(429, headers={"retry-after": "33"})
    it = scripted(limited, GOOD)
    it.client.get(ME)
    assert it.slept == [33]


def test_a_429_that_asks_for_nothing_waits_for_a_limit_per_minute(scripted: Make) -> None:
    now = datetime(2026, 11, 21, 8, tzinfo=UTC)
    past = httpx.Response(429, headers={"anthropic-ratelimit-requests-reset": "2026-11-21T07:59:00Z"})
    it = scripted(past, past, GOOD, clock=lambda: now)
    it.client.get(ME)
    assert len(it.slept) == 2
    assert all(30 <= seconds <= 60 for seconds in it.slept)


def test_dates_are_measured_against_the_clock_that_was_handed_in(scripted: Make) -> None:
    now = datetime(2031, 1, 1, tzinfo=UTC)
    reset = httpx.Response(429, headers={"anthropic-ratelimit-requests-reset": "2031-01-01T00:00:20Z"})
    it = scripted(reset, GOOD, clock=lambda: now)
    it.client.get(ME)
    assert it.slept == [20]


def test_a_429_holds_the_requests_of_all_others_too(scripted: Make) -> None:
    limited = httpx.Response(429, headers={"retry-after": "20"})
    it = scripted(limited, GOOD, retry=RetryPolicy(attempts=1))
    with pytest.raises(RetryLater, match="asked to wait 20 s"):
        it.client.get(ME)
    assert it.slept == []
    it.client.get("/v1/organizations/workspaces", priority=Priority.BACKFILL)
    assert it.slept == pytest.approx([20], abs=1)


def test_an_absurd_wait_is_not_slept_through_but_reported_and_ends_within_the_hour(scripted: Make) -> None:
    absurd = httpx.Response(429, headers={"retry-after": str(10**9)})
    it = scripted(absurd, GOOD)
    for message in ("asked to wait 1000000000 s", "the next one is sent in"):
        with pytest.raises(RetryLater, match=message):
            it.client.get(ME)
    assert (len(it.script.requests), it.slept) == (1, [])
    it.client._pacer.sleep(3600)
    assert it.client.get(ME) == {"id": "org_1"}


def test_all_waits_of_a_call_together_stay_below_the_longest(scripted: Make) -> None:
    limited = httpx.Response(429, headers={"retry-after": "50"})
    it = scripted(limited, retry=RetryPolicy(attempts=100, longest_wait=timedelta(seconds=120)))
    with pytest.raises(RetryLater):
        it.client.get(ME)
    assert it.slept == [50, 50]


def test_a_stop_ends_the_wait_before_the_next_attempt(scripted: Make) -> None:
    stop = threading.Event()
    it = scripted(refusal(500), GOOD, stop=stop, sleep=lambda _: stop.set())
    with pytest.raises(Stopped):
        it.client.get(ME)
    assert len(it.script.requests) == 1


def test_a_stop_ends_a_body_in_transit(scripted: Make) -> None:
    stop = threading.Event()

    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b" "
                stop.set()

    it = scripted(lambda _: httpx.Response(200, stream=Endless()), stop=stop)
    with pytest.raises(Stopped):
        it.client.get(ME)


def test_lists_without_end_and_answers_without_end_stop_at_the_limit(scripted: Make) -> None:
    class Endless(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b" " * 65_536

    it = scripted(lambda _: httpx.Response(200, stream=Endless()), settings=small())
    with pytest.raises(AnswerTooLarge, match=r"larger than 1,048,576 bytes.*max_answer_bytes"):
        it.client.get(ME)
    numbers = iter(range(10_000))
    it = scripted(
        lambda _: httpx.Response(
            200, json={"data": ["x" * 100_000], "has_more": True, "last_id": f"id{next(numbers)}"}
        ),
        settings=small(),
    )
    with pytest.raises(AnswerTooLarge):
        list(read_list(it.client, "/v1/organizations/workspaces"))
    assert len(it.script.requests) == 11


def small() -> AnthropicSettings:
    return AnthropicSettings.model_validate({"admin_key": KEY, "max_answer_bytes": 2**20})


def test_a_base_url_with_the_version_is_cured(scripted: Make) -> None:
    for address in ("https://api.test/v1", "https://api.test/v1/", "https://api.test/gateway/v1"):
        settings = AnthropicSettings.model_validate({"admin_key": KEY, "base_url": address})
        it = scripted(GOOD, settings=settings)
        it.client.get(ME)
        (request,) = it.script.requests
        assert str(request.url).count("v1") == 1
        assert str(request.url).endswith(ME)


# Settings


def test_an_unusable_proxy_is_a_configuration_error_that_hides_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "gopher://me:hunter2@proxy.test")
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as raised:
        AdminClient(AnthropicSettings.model_validate({"admin_key": KEY}))
    assert "hunter2" not in "".join(traceback.format_exception(raised.value))


def test_statuses_are_counted_and_told(scripted: Make) -> None:
    told: list[str] = []
    it = scripted(refusal(500), httpx.ConnectError("no"), GOOD, on_request=told.append)
    it.client.get(ME)
    assert told == ["500", "error", "200"]
    assert it.client.stats.by_status == {"500": 1, "error": 1, "200": 1}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
error_bodies = anything | st.fixed_dictionaries(
    {"error": anything | st.fixed_dictionaries({"message": anything})}
)


@settings(deadline=None)  # a client is opened each time
@given(status=st.integers(200, 599), body=error_bodies)
def test_whatever_comes_the_client_returns_an_object_or_raises_one_of_ours(status: int, body: object) -> None:
    content = json.dumps(body).encode()
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    settings = AnthropicSettings.model_validate({"admin_key": KEY})
    with AdminClient(
        settings, transport=transport, sleep=lambda _: None, retry=RetryPolicy(attempts=1)
    ) as client:
        try:
            outcome = client.get(ME)
        except MetricsError as error:
            outcome = {"error": str(error)}
    assert isinstance(outcome, dict)
    assert str(outcome.get("error", "")).isprintable() or status == 200
