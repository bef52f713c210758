from __future__ import annotations

from datetime import UTC, datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_metrics.admin_api.retry import asked_wait, backoff, is_transient, limited_wait

NOW = datetime(2026, 11, 21, 8, 0, 0, tzinfo=UTC)
RESET = "anthropic-ratelimit-requests-reset"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"Retry-After": "17"}, 17, id="seconds"),
        pytest.param({"Retry-After": "1.5"}, 1.5, id="a fraction"),
        pytest.param({"Retry-After": "Sat, 21 Nov 2026 08:00:30 GMT"}, 30, id="an HTTP date"),
        pytest.param(
            {"Retry-After": "5", RESET: "2026-11-21T09:00:00Z"}, 5, id="Retry-After before the reset"
        ),
        pytest.param({RESET: "2026-11-21T08:00:42Z"}, 42, id="the reset alone"),
        pytest.param({RESET: "2026-11-21T09:00:42+01:00"}, 42, id="the reset in another zone"),
        pytest.param({"Retry-After": "0", RESET: "2026-11-21T08:00:42Z"}, 42, id="no time, so the reset"),
        pytest.param({"Retry-After": "soon", RESET: "2026-11-21T08:00:42Z"}, 42, id="nonsense, so the reset"),
        pytest.param({RESET: "2026-11-21T07:59:59Z"}, None, id="a reset that is past"),
        pytest.param({"Retry-After": "Sat, 21 Nov 2026 07:00:00 GMT"}, None, id="a date that is past"),
        pytest.param({"Retry-After": "-3"}, None, id="negative"),
        pytest.param({"Retry-After": "inf"}, None, id="infinite"),
        pytest.param({"Retry-After": "nan"}, None, id="not a number"),
        pytest.param({RESET: "tomorrow"}, None, id="an unreadable reset"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_the_wait_that_a_server_asks_for(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait(httpx.Headers(headers), NOW) == seconds


@given(st.dictionaries(st.sampled_from(["retry-after", RESET]), st.text()))
def test_no_header_breaks_the_reading_of_it(headers: dict[str, str]) -> None:
    wait = asked_wait(headers, NOW)
    assert wait is None or wait > 0


def test_backoff_doubles_up_to_a_minute_with_full_jitter() -> None:
    assert [backoff(attempt, lambda: 1.0) for attempt in range(1, 9)] == [2, 4, 8, 16, 32, 60, 60, 60]
    assert backoff(5, lambda: 0.0) == 0


def test_two_unnamed_waits_outlast_a_limit_per_minute() -> None:
    assert 2 * limited_wait(lambda: 0.0) >= 60
    assert limited_wait(lambda: 1.0) == 60


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 529])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert is_transient(status)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 407, 413, 422])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    assert not is_transient(status)
