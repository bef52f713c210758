"""The ready-made faults, each a function that returns an effect for `Faults.add`."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal

from anthropic_metrics.simulator.clock import epoch, iso

from .faults import Effect, Exchange
from .reports import page_before
from .requests import Answer, Refusal, error_answer

RetryHint = Literal["seconds", "date", "reset", "reset_past", "nothing"]
_MESSAGES = {
    401: "invalid x-api-key",
    403: "This key has no access to this endpoint.",
    429: "This request would exceed your organization's rate limit.",
    529: "Overloaded",
}


def status(code: int, *, hint: RetryHint = "nothing", seconds: int = 1) -> Effect:
    """Answer with an error status instead of the report. `hint` says when to come back: Retry-After in
    `seconds` or as an HTTP date, only `anthropic-ratelimit-requests-reset` (ahead, or already past), or
    nothing."""

    def effect(exchange: Exchange) -> Answer:
        headers = _hints(hint, exchange.request.at, seconds)
        refusal = Refusal(code, _MESSAGES.get(code, "Internal server error"), headers)
        answer = error_answer(refusal, "req_fault")
        return replace(
            answer, headers={"content-type": "application/json", "request-id": "req_fault", **headers}
        )

    return effect


def reset(when: Literal["before", "in_body", "after"] = "before") -> Effect:
    """Break the connection: before the request is processed, in mid-body, or when it was processed and not
    answered."""

    def effect(exchange: Exchange) -> Answer:
        if when == "before":
            return Answer(0, b"", delivery="reset")
        return replace(exchange.proceed(), delivery="reset" if when == "after" else "reset_in_body")

    return effect


def truncated() -> Effect:
    """Half of the body, then the connection is closed in good order."""
    return lambda exchange: replace(exchange.proceed(), delivery="truncated")


def malformed() -> Effect:
    """A complete answer whose JSON breaks off."""

    def effect(exchange: Exchange) -> Answer:
        answer = exchange.proceed()
        return replace(answer, body=answer.body[: len(answer.body) // 2])

    return effect


def body(text: bytes, *, content_type: str = "application/json", code: int = 200) -> Effect:
    """Any body at all, such as a proxy's HTML page or JSON that is no object."""

    def effect(exchange: Exchange) -> Answer:
        return Answer(code, text, {"content-type": content_type, "request-id": "req_fault"})

    return effect


def wrong_content_type() -> Effect:
    """An HTML page with status 200."""
    return body(b"<html><body>Please sign in</body></html>", content_type="text/html")


def slow(release: threading.Event, entered: threading.Event | None = None) -> Effect:
    """Hold the answer until `release` is set (or the server stops); `entered` is set when a request has
    come in."""

    def effect(exchange: Exchange) -> Answer:
        if entered is not None:
            entered.set()
        while not release.wait(0.02) and not exchange.closing.is_set():
            pass
        return exchange.proceed()

    return effect


def changed(change: Callable[[Any], Any]) -> Effect:
    """The true answer with its JSON changed; error answers go out as they are."""

    def effect(exchange: Exchange) -> Answer:
        answer = exchange.proceed()
        if answer.status != 200:
            return answer
        return answer.with_json(change(answer.json()))

    return effect


def no_next_page() -> Effect:
    """`has_more` without a page to go to: a broken contract."""
    return changed(lambda page: {**page, "has_more": True, "next_page": None})


def repeated_page() -> Effect:
    """The next page is this page again, under a new token."""
    return _turned_back(lambda page, token: {**page, "has_more": True, "next_page": token})


def stuck_token() -> Effect:
    """The token that comes back is the one that was sent: it does not move. Strikes pages after the first."""

    def effect(exchange: Exchange) -> Answer:
        sent = exchange.request.get("page")
        answer = exchange.proceed()
        if answer.status != 200 or sent is None:
            return answer
        return answer.with_json({**answer.json(), "has_more": True, "next_page": sent})

    return effect


def empty_page() -> Effect:
    """No buckets, and the next page holds what this one should have: legal."""
    return _turned_back(lambda page, token: {**page, "data": [], "has_more": True, "next_page": token})


def emptied(*, buckets: bool = True) -> Effect:
    """The whole answer is empty: buckets without rows, or no buckets at all."""

    def change(page: Any) -> Any:
        if not buckets:
            return {**page, "data": [], "has_more": False, "next_page": None}
        return {**page, "data": [{**bucket, "results": []} for bucket in page["data"]]}

    return changed(change)


def shifted_buckets(by: timedelta) -> Effect:
    """Buckets that nobody asked for: all of the page's times are moved."""

    def shift(bucket: Any) -> Any:
        times = {name: _moved(bucket[name], by) for name in ("starting_at", "ending_at")}
        return {**bucket, **times}

    return changed(lambda page: {**page, "data": [shift(bucket) for bucket in page["data"]]})


def reversed_buckets() -> Effect:
    """The page's buckets in the wrong order."""
    return changed(lambda page: {**page, "data": page["data"][::-1]})


def doubled_bucket() -> Effect:
    """The page's last bucket twice."""
    return changed(lambda page: {**page, "data": page["data"] + page["data"][-1:]})


def shuffled_rows() -> Effect:
    """The same rows of each bucket in another order: legal."""
    return changed(
        lambda page: {**page, "data": [{**b, "results": b["results"][::-1]} for b in page["data"]]}
    )


def bad_row(field: str = "output_tokens", value: Any = "many") -> Effect:
    """One field of the page's first row holds something that it never should."""
    return changed(lambda page: _with_first_row(page, lambda row: {**row, field: value}))


def missing_field(field: str) -> Effect:
    """The page's first row lacks a field."""
    return changed(
        lambda page: _with_first_row(page, lambda row: {k: v for k, v in row.items() if k != field})
    )


def refuses_older(age: timedelta) -> Effect:
    """A range that begins longer ago than this is refused."""

    def effect(exchange: Exchange) -> Answer:
        start = exchange.request.get("starting_at")
        if start is not None and datetime.fromisoformat(start) < exchange.request.at - age:
            days = age / timedelta(days=1)
            return error_answer(
                Refusal(400, f"starting_at must be within the last {days:g} days"), "req_fault"
            )
        return exchange.proceed()

    return effect


def every_row(change: Callable[[dict[str, Any]], Any]) -> Effect:
    """Each row of the page changed, such as by a new name for one of its fields."""

    def rows(page: Any) -> Any:
        data = [
            {**entry, "results": [change(row) for row in entry["results"]]}
            if "results" in entry
            else change(entry)
            for entry in page["data"]
        ]
        return {**page, "data": data}

    return changed(rows)


def renamed_field(before: str, after: str) -> Effect:
    """Each row of the page calls a field otherwise."""
    return every_row(lambda row: {after if name == before else name: value for name, value in row.items()})


def extra_field(field: str = "reasoning_tokens", value: Any = 3) -> Effect:
    """The page's first row has a field that nobody knows yet."""
    return bad_row(field, value)


def expired_token() -> Effect:
    """A page token that was good when it was given is not taken any more; a first page is answered as
    ever."""

    def effect(exchange: Exchange) -> Answer:
        if exchange.request.get("page") is not None:
            exchange.api.tokens.expire_all()
        return exchange.proceed()

    return effect


def _hints(hint: RetryHint, now: datetime, seconds: int) -> dict[str, str]:
    later = now + timedelta(seconds=seconds)
    return {
        "seconds": {"retry-after": str(seconds)},
        "date": {"retry-after": format_datetime(later, usegmt=True)},
        "reset": {"anthropic-ratelimit-requests-reset": _iso(later)},
        "reset_past": {"anthropic-ratelimit-requests-reset": _iso(now - timedelta(seconds=30))},
        "nothing": {},
    }[hint]


def _turned_back(change: Callable[[Any, str], Any]) -> Effect:
    """Change a page of buckets, given a token that leads to that page itself."""

    def effect(exchange: Exchange) -> Answer:
        answer = exchange.proceed()
        if answer.status != 200:
            return answer
        token = page_before(exchange.request, exchange.api.tokens, answer)
        return answer if token is None else answer.with_json(change(answer.json(), token))

    return effect


def _with_first_row(page: Any, change: Callable[[Any], Any]) -> Any:
    """A bucketed page or a plain list with its first row changed."""
    data = list(page["data"])
    for index, entry in enumerate(data):
        if "results" not in entry:
            data[index] = change(entry)
        elif entry["results"]:
            data[index] = {**entry, "results": [change(entry["results"][0]), *entry["results"][1:]]}
        else:
            continue
        break
    return {**page, "data": data}


def _moved(text: str, by: timedelta) -> str:
    return _iso(datetime.fromisoformat(text) + by)


def _iso(moment: datetime) -> str:
    return iso(int(epoch(moment)))
