"""Misbehaviour on demand, over real HTTP, seen with a real client's eyes."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
import pytest

from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer, effects

USAGE = "/usage_report/messages"
QUERY = {"starting_at": "2026-11-19T00:00:00Z", "bucket_width": "1h", "limit": "10", "group_by[]": "model"}


def page(http: httpx.Client, token: str | None = None) -> Any:
    answer = http.get(USAGE, params=QUERY if token is None else {**QUERY, "page": token})
    assert answer.status_code == 200
    return answer.json()


def walk(http: httpx.Client) -> list[str]:
    """The bucket starts that a reader collects who follows every token."""
    found, token = [], None
    while True:
        one = page(http, token)
        found += [bucket["starting_at"] for bucket in one["data"]]
        if not one["has_more"]:
            return found
        token = one["next_page"]


@pytest.mark.parametrize("code", [400, 401, 403, 429, 500, 503, 529])
def test_statuses_have_the_vendors_body(server: SimulatorServer, http: httpx.Client, code: int) -> None:
    server.faults.add(effects.status(code))
    answer = http.get("/me")
    assert answer.status_code == code
    assert answer.json()["type"] == "error"
    assert answer.headers["request-id"]
    assert "retry-after" not in answer.headers
    assert http.get("/me").status_code == 200


def test_429_says_when_to_come_back_in_each_known_way(
    server: SimulatorServer, http: httpx.Client, clock: SettableClock
) -> None:
    def headers(hint: effects.RetryHint) -> httpx.Headers:
        server.faults.add(effects.status(429, hint=hint, seconds=17))
        return http.get("/me").headers

    reset = "anthropic-ratelimit-requests-reset"
    assert headers("seconds")["retry-after"] == "17"
    when = parsedate_to_datetime(headers("date")["retry-after"])
    assert when == clock.now() + timedelta(seconds=17)
    now = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert headers("reset")[reset] > now > headers("reset_past")[reset]
    assert not {"retry-after", reset} & set(headers("nothing"))


@pytest.mark.parametrize("when", ["before", "in_body", "after"])
def test_connections_break_and_the_next_request_is_served(
    server: SimulatorServer, http: httpx.Client, when: Any
) -> None:
    server.faults.add(effects.reset(when))
    with pytest.raises(httpx.ReadError):
        http.get(USAGE, params=QUERY)
    assert http.get(USAGE, params=QUERY).status_code == 200


def test_a_truncated_body_ends_before_its_length(server: SimulatorServer, http: httpx.Client) -> None:
    server.faults.add(effects.truncated())
    with pytest.raises(httpx.RemoteProtocolError):
        http.get(USAGE, params=QUERY)


def test_bodies_that_are_no_answer(server: SimulatorServer, http: httpx.Client) -> None:
    server.faults.add(effects.malformed())
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        http.get(USAGE, params=QUERY).json()
    server.faults.add(effects.wrong_content_type())
    answer = http.get("/me")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html")
    server.faults.add(effects.body(b"[]"))
    assert http.get("/me").json() == []


def test_paging_can_lie(server: SimulatorServer, http: httpx.Client) -> None:
    good = walk(http)
    server.faults.add(effects.no_next_page())
    lie = page(http)
    assert (lie["has_more"], lie["next_page"]) == (True, None)
    server.faults.add(effects.repeated_page(), nth=2)
    assert walk(http) == good[:20] + good[10:]
    server.faults.add(effects.repeated_page())
    assert walk(http) == good[:10] + good
    server.faults.add(effects.stuck_token(), where={"page": ...})
    token = page(http)["next_page"]
    assert page(http, token)["next_page"] == token
    server.faults.add(effects.expired_token(), where={"page": ...})
    token = page(http)["next_page"]
    assert http.get(USAGE, params={**QUERY, "page": token}).status_code == 400
    assert walk(http) == good


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_an_empty_page_is_legal_and_nothing_is_lost(
    server: SimulatorServer, http: httpx.Client, nth: int
) -> None:
    good = walk(http)
    server.faults.add(effects.empty_page(), nth=nth, times=2)
    assert walk(http) == good
    assert len(server.requests) == 2 * 4 + 2


def test_buckets_can_be_wrong(server: SimulatorServer, http: httpx.Client) -> None:
    good = page(http)

    def starts(one: Any) -> list[str]:
        return [bucket["starting_at"] for bucket in one["data"]]

    server.faults.add(effects.reversed_buckets())
    assert starts(page(http)) == starts(good)[::-1]
    server.faults.add(effects.doubled_bucket())
    assert starts(page(http)) == starts(good) + starts(good)[-1:]
    server.faults.add(effects.shifted_buckets(timedelta(hours=-1)))
    assert starts(page(http))[0] == "2026-11-18T23:00:00Z"
    server.faults.add(effects.emptied())
    emptied = page(http)
    assert starts(emptied) == starts(good)
    assert not any(bucket["results"] for bucket in emptied["data"])
    server.faults.add(effects.emptied(buckets=False))
    assert page(http)["data"] == []
    assert page(http)["data"] == good["data"]


def test_rows_can_be_wrong(server: SimulatorServer, http: httpx.Client) -> None:
    def first(one: Any) -> Any:
        return one["data"][0]["results"][0]

    good = page(http)
    server.faults.add(effects.bad_row("output_tokens", "many"))
    assert first(page(http)) == {**first(good), "output_tokens": "many"}
    server.faults.add(effects.extra_field("new_tokens", 3))
    assert first(page(http)) == {**first(good), "new_tokens": 3}
    server.faults.add(effects.missing_field("output_tokens"))
    assert "output_tokens" not in first(page(http))
    server.faults.add(effects.bad_row("name", 5), path="*/workspaces")
    assert http.get("/workspaces").json()["data"][0]["name"] == 5
    server.faults.add(effects.shuffled_rows())
    assert page(http)["data"][0]["results"] == good["data"][0]["results"][::-1]


def test_rules_choose_by_path_parameters_count_and_chance(
    server: SimulatorServer, http: httpx.Client
) -> None:
    rule = server.faults.add(effects.status(500), "*/rate_limits", nth=2, times=2)
    assert http.get("/me").status_code == 200
    assert [http.get("/rate_limits").status_code for _ in range(4)] == [200, 500, 500, 200]
    assert rule.struck == 2
    server.faults.add(effects.status(500), where={"bucket_width": "1m"}, times=None)
    assert http.get(USAGE, params=QUERY).status_code == 200
    assert http.get(USAGE, params={**QUERY, "bucket_width": "1m"}).status_code == 500
    server.faults.clear()
    server.faults.add(effects.status(529), times=None, probability=0.5)
    drawn = [http.get("/me").status_code for _ in range(40)]
    assert 5 < drawn.count(529) < 35


def test_a_slow_answer_waits_for_its_release(server: SimulatorServer, http: httpx.Client) -> None:
    release, entered = threading.Event(), threading.Event()
    server.faults.add(effects.slow(release, entered), "*/me")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(http.get, "/me")
        assert entered.wait(10)
        with httpx.Client(headers=http.headers) as other:
            assert other.get(f"{server.url}/v1/organizations/rate_limits").status_code == 200
        assert not waiting.done()
        release.set()
        assert waiting.result(10).status_code == 200


def test_stopping_ends_held_answers_and_frees_the_port(clock: SettableClock, simulation: Simulation) -> None:
    entered = threading.Event()
    with ThreadPoolExecutor(1) as pool, SimulatorServer(simulation) as server:
        server.faults.add(effects.slow(threading.Event(), entered))
        held = pool.submit(httpx.get, server.url + "/v1/organizations/me", headers={"x-api-key": ADMIN_KEY})
        assert entered.wait(10)
        server.stop()
        assert held.exception(10) is not None or held.result().status_code == 400
    with SimulatorServer(simulation, server.port) as again:
        assert again.url == server.url


def test_what_was_asked_is_remembered_without_the_key(server: SimulatorServer, http: httpx.Client) -> None:
    http.get(USAGE, params=QUERY, headers={"authorization": "Bearer sk-ant-admin01-secret"})
    (asked,) = server.requests
    assert (asked.method, asked.path) == ("GET", "/v1/organizations/usage_report/messages")
    assert dict(asked.params) == QUERY
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert "sk-ant-admin01" not in repr(asked)
    server.forget_requests()
    assert server.requests == []


def test_a_bearer_token_is_taken_as_a_key(server: SimulatorServer) -> None:
    headers = {"anthropic-version": "2023-06-01", "authorization": f"Bearer {ADMIN_KEY}"}
    assert httpx.get(server.url + "/v1/organizations/me", headers=headers).status_code == 200
