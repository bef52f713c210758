"""When to ask again, and how long to wait first: pure decisions, the waiting is the client's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from random import SystemRandom

from tenacity import RetryCallState

from anthropic_metrics.errors import RetryLater

__all__ = ["RetryPolicy", "TryAgain", "asked_wait", "backoff", "is_transient", "limited_wait"]

TOO_MANY_REQUESTS = 429
_MINUTE = 60.0
_random = SystemRandom().random


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient one call is: at most so many requests, and no more waiting than this between them.

    A server that asks for a longer wait than is left gets its wish: the call ends with RetryLater at once.
    `asks_again`: whoever calls does so again later by itself, so that nobody has to.
    """

    attempts: int = 6
    longest_wait: timedelta = timedelta(minutes=15)
    asks_again: bool = True

    def is_over(self, state: RetryCallState) -> bool:
        """For tenacity: no attempt is left, or the next wait would be one too many."""
        waited = state.idle_for + state.upcoming_sleep
        return state.attempt_number >= self.attempts or waited > self.longest_wait.total_seconds()

    def wait(self, state: RetryCallState) -> float:
        """For tenacity: seconds before the next attempt; what the server asked for comes first."""
        failure = state.outcome.exception() if state.outcome else None
        if isinstance(failure, TryAgain) and failure.after is not None:
            return failure.after
        return backoff(state.attempt_number)


class TryAgain(Exception):
    """One attempt failed in a way that may pass. It stays in the client: `error` leaves, after the last."""

    def __init__(self, error: RetryLater, *, status: str, after: float | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status
        self.after = after


def is_transient(status: int) -> bool:
    """408, 425, 429 and every 5xx, 529 (overloaded) among them: the same request may work later."""
    return status in (408, 425, TOO_MANY_REQUESTS) or status >= 500


def asked_wait(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that the server asked for: `Retry-After` (seconds or date), else until its limit resets.

    None when it asked for nothing or for a moment that is past: 429 has been seen without `Retry-After`
    and with `anthropic-ratelimit-requests-reset` already behind.
    """
    wait = _retry_after(headers.get("retry-after", ""), now)
    if wait is None:
        wait = _until(_rfc3339(headers.get("anthropic-ratelimit-requests-reset", "")), now)
    return wait


def backoff(attempt: int, jitter: Callable[[], float] = _random) -> float:
    """Seconds before the attempt after number `attempt` (from 1): doubling, full jitter, a minute at most."""
    return jitter() * min(_MINUTE, 2.0 ** min(attempt, 6))


def limited_wait(jitter: Callable[[], float] = _random) -> float:
    """Seconds after a 429 that names none: the limit is per minute, so two of these outlast it."""
    return _MINUTE * (1 + jitter()) / 2


def _retry_after(text: str, now: datetime) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return _until(_http_date(text), now)
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _until(moment: datetime | None, now: datetime) -> float | None:
    if moment is None or moment <= now:
        return None
    return (moment - now).total_seconds()


def _http_date(text: str) -> datetime | None:
    try:
        return _aware(parsedate_to_datetime(text))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _rfc3339(text: str) -> datetime | None:
    try:
        return _aware(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
