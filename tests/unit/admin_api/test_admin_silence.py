"""A client tells how long its server has owed an answer."""

from __future__ import annotations

import httpx
import pytest

from anthropic_metrics.admin_api.waiting import Waiting
from anthropic_metrics.errors import RetryLater
from tests.harness.admin_script import GOOD, ME, Make, refusal


def test_a_server_owes_an_answer_from_the_first_request_to_the_last_retry(scripted: Make) -> None:
    now, seen = [100.0], list[float]()

    def frozen(request: httpx.Request) -> httpx.Response:
        now[0] += 10
        seen.append(it.client.waiting.seconds())
        raise httpx.ReadTimeout("too late", request=request)

    it = scripted(frozen, monotonic=lambda: now[0])
    assert it.client.waiting.seconds() == 0.0
    with pytest.raises(RetryLater):
        it.client.get(ME)
    assert seen[:3] == [10.0, 20.0, 30.0]
    assert it.client.waiting.seconds() == 0.0


def test_a_good_answer_to_one_call_ends_the_silence_of_all() -> None:
    now = [0.0]
    waiting = Waiting(lambda: now[0])
    with waiting.call():
        now[0] = 10.0
        with waiting.call():
            now[0] = 20.0
            assert waiting.seconds() == 20.0
            waiting.answered()
            assert waiting.seconds() == 0.0
        now[0] = 25.0
        assert waiting.seconds() == 5.0
    assert waiting.seconds() == 0.0


def test_a_refusal_that_is_tried_again_is_no_good_answer(scripted: Make) -> None:
    now, seen = [0.0], list[float]()

    def answer(_: httpx.Request) -> httpx.Response:
        now[0] += 10
        seen.append(it.client.waiting.seconds())
        return refusal(529) if len(seen) < 3 else GOOD

    it = scripted(answer, monotonic=lambda: now[0])
    it.client.get(ME)
    it.client.get(ME)
    assert seen == [10.0, 20.0, 30.0, 10.0]
