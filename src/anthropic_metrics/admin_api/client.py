"""The only place that speaks HTTP to the Admin API: serial, paced, patient, and silent about its key."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type

from anthropic_metrics import __version__
from anthropic_metrics.admin_api import answers
from anthropic_metrics.admin_api.answers import Answer
from anthropic_metrics.admin_api.keys import KeyAuth
from anthropic_metrics.admin_api.pacing import Pacer, Priority
from anthropic_metrics.admin_api.retry import (
    TOO_MANY_REQUESTS,
    RetryPolicy,
    TryAgain,
    asked_wait,
    is_transient,
    limited_wait,
)
from anthropic_metrics.admin_api.waiting import Waiting
from anthropic_metrics.body import Allowance, TooLarge, read_body, read_json
from anthropic_metrics.deadline import TIMEOUTS, limited, within
from anthropic_metrics.errors import AuthError, BrokenContract, ConfigError
from anthropic_metrics.proxies import proxy_for

if TYPE_CHECKING:
    from anthropic_metrics.config import AnthropicSettings

__all__ = ["AdminClient", "Parse", "Priority", "Stats"]

Params = Sequence[tuple[str, str]]
Parse = Callable[[bytes | bytearray], Any]

_HEADERS = {
    "accept": "application/json",
    "accept-encoding": "gzip",
    "anthropic-version": "2023-06-01",
    "user-agent": f"anthropic-metrics/{__version__} (+https://github.com/anthropic-metrics/anthropic-metrics)",
}
_ORGANIZATION = "anthropic-organization-id"
# Longest hold (seconds) that one answer can impose, so that a nonsensical Retry-After passes in the end.
_LONGEST_HOLD = 3600.0

log = structlog.get_logger(__name__)


@dataclass
class Stats:
    """What a client has done so far; `by_status` also counts `error`, attempts that brought no answer."""

    requests: int = 0
    retries: int = 0
    by_status: Counter[str] = field(default_factory=Counter)


class AdminClient:
    """Reads JSON from the Admin API for one organization. Thread-safe; close it, or use it in a `with`.

    `stop` ends every wait, and a body in transit, with Stopped. `sleep` stands in for waiting in tests,
    `transport` for the network. `clock` tells what a date in an answer is measured against, `monotonic` how
    long a wait asked for by the server has lasted. `on_request` is called with the status (`"200"`,
    `"error"`) of every attempt, `on_retry` with the status of every attempt that is retried, the reason and
    the seconds until then.
    """

    def __init__(
        self,
        settings: AnthropicSettings,
        *,
        stop: threading.Event | None = None,
        sleep: Callable[[float], object] | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_request: Callable[[str], object] | None = None,
        on_retry: Callable[[str, str, float], object] | None = None,
        retry: RetryPolicy | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stats = Stats()
        # What the answers' header says, None before the first that has it.
        self.organization_id: str | None = None
        # The organization that the analytics reports are asked for, with a parent organization's key.
        self.asked_for = settings.organization_id if settings.parent else None
        self.auth = KeyAuth(settings.secret())
        self._timeout = settings.timeout.total_seconds()
        self._stop = stop
        self._most = settings.max_answer_bytes
        self._clock = clock
        self._on_request, self._on_retry = on_request, on_retry
        self._policy = retry or RetryPolicy()
        self.waiting = Waiting(monotonic)
        self._pacer = Pacer(settings.requests_per_minute, stop=stop, sleep=sleep, monotonic=monotonic)
        self.held_for = self._pacer.held_for
        self._http = _open(settings, self.auth, transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def key_digest(self) -> str:
        """Tells keys and servers apart without telling the key: no key can be found from its digest."""
        return self.auth.digest(str(self._http.base_url))

    def close(self) -> None:
        """Give back the connection."""
        self._http.close()

    def get(
        self,
        path: str,
        params: Params = (),
        *,
        headers: Mapping[str, str] | None = None,
        priority: Priority = Priority.LIVE,
        allowance: Allowance | None = None,
        parse: Parse | None = None,
    ) -> Any:
        """The parsed JSON object at `path` (`/v1/...`); texts stay texts, decimals among them.

        `parse` parses the body in another way; it raises ValueError for what is not JSON.

        Raises AuthError (401, 403), BadRequest (any other refusal, with its status), RetryLater (429, 5xx,
        no or no whole answer, after this call's own retries), BrokenContract (no JSON object),
        AnswerTooLarge (more bytes than the `allowance`, which calls may share), Stopped.
        A refused key is read again from where it came, and the request repeated once if it has changed.
        """
        request = self._http.build_request("GET", path, params=tuple(params), headers=headers)
        allowed = allowance or Allowance()
        if allowed.left is None:
            allowed.left = self._most
        send = partial(self._patiently, request, priority, allowed, parse or read_json)
        with self.waiting.call():
            answer = self.auth.present(send, lambda answer: isinstance(answer, AuthError))
        if isinstance(answer, AuthError):
            raise answer
        return answer

    def _patiently(
        self, request: httpx.Request, priority: Priority, allowance: Allowance, parse: Parse
    ) -> Any:
        """What a good answer holds, or the refusal of the key."""
        retrying = Retrying(
            retry=retry_if_exception_type(TryAgain),
            wait=self._policy.wait,
            stop=self._policy.is_over,
            sleep=self._pacer.sleep,
            before_sleep=self._say_retry,
            reraise=True,
        )
        try:
            return retrying(self._attempt, request, priority, allowance, parse)
        except AuthError as refusal:
            return refusal
        except TryAgain as failure:
            error = answers.told(failure.error, self._policy)
        # Raised out here, so that no traceback chains back to an exception that holds the request.
        raise error

    def _attempt(self, request: httpx.Request, priority: Priority, allowance: Allowance, parse: Parse) -> Any:
        hold = self._pacer.hold_left()
        if hold > self._policy.longest_wait.total_seconds():
            raise answers.told(answers.too_long_a_hold(hold), self._policy)
        with self._pacer.turn(priority):
            started = time.monotonic()
            answer = self._send(request, allowance)
            self._note(request, answer, time.monotonic() - started)
            if isinstance(answer, Answer) and answer.status == 200:
                self.waiting.answered()
                return self._parsed(request, answer, parse)
            raise self._failure(request, answer)

    def _send(self, request: httpx.Request, allowance: Allowance) -> Answer | httpx.RequestError:
        """The whole answer, or the reason that there is none. Raises AnswerTooLarge."""
        assert allowance.left is not None
        try:
            with within(TIMEOUTS * self._timeout, self._stop):
                response = self._http.send(request, stream=True)
                try:
                    body = read_body(response, allowance.left, self._pacer.check_stop)
                finally:
                    response.close()
        except httpx.RequestError as error:
            return error
        except TooLarge:
            raise answers.too_large(request, self._most) from None
        allowance.left -= len(body)
        return Answer(response.status_code, response.headers, body)

    def _note(self, request: httpx.Request, answer: Answer | httpx.RequestError, took: float) -> None:
        status = str(answer.status) if isinstance(answer, Answer) else "error"
        if isinstance(answer, Answer):
            self.organization_id = answer.headers.get(_ORGANIZATION) or self.organization_id
        self.stats.requests += 1
        self.stats.by_status[status] += 1
        if self._on_request:
            self._on_request(status)
        log.debug("admin_api_request", **answers.query(request), status=status, took_ms=round(took * 1000))

    def _parsed(self, request: httpx.Request, answer: Answer, parse: Parse) -> dict[str, Any]:
        try:
            body = parse(answer.body)
        except ValueError as error:
            reason = str(error)
        else:
            if not isinstance(body, dict):
                raise BrokenContract(f"The Admin API answered {type(body).__name__}, not an object.")
            return body
        raise TryAgain(answers.not_json(request, answer, reason), status="200")

    def _failure(self, request: httpx.Request, answer: Answer | httpx.RequestError) -> Exception:
        if isinstance(answer, httpx.RequestError):
            error = answers.unreachable(request, answer)
            return error if answers.is_certificate(answer) else TryAgain(error, status="error")
        refusal = answers.read(answer, self.auth.hide)
        status = refusal.status
        if not is_transient(status):
            log.debug("admin_api_refused", **answers.query(request), **refusal.fields())
            return refusal.error(request, self.auth.kind)
        after = asked_wait(answer.headers, self._clock())
        error = refusal.passing(request, after)
        if status == TOO_MANY_REQUESTS:
            after = after or limited_wait()
            # Still inside this request's turn: no other can slip out before the hold stands.
            self._pacer.hold(min(after, _LONGEST_HOLD), str(error))
        return TryAgain(error, status=str(status), after=after)

    def _say_retry(self, state: RetryCallState) -> None:
        failure = state.outcome.exception() if state.outcome else None
        self.stats.retries += 1
        wait = round(state.upcoming_sleep, 1)
        if self._on_retry and isinstance(failure, TryAgain):
            self._on_retry(failure.status, str(failure.error), wait)
        log.warning("admin_api_retry", reason=str(failure), attempt=state.attempt_number, wait_seconds=wait)


def _open(
    settings: AnthropicSettings, auth: httpx.Auth, transport: httpx.BaseTransport | None
) -> httpx.Client:
    context = _tls(settings.ca_file, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    try:
        # Every path begins with the version; who copies an address often takes it along.
        url = httpx.URL(settings.base_url.rstrip("/").removesuffix("/v1"))
        if url.scheme not in ("http", "https") or not url.host:
            raise ValueError("no address")
        client = httpx.Client(
            base_url=url,
            auth=auth,
            headers=_HEADERS,
            timeout=settings.timeout.total_seconds(),
            verify=context,
            transport=transport,
            # Our own reading of the variables: httpx refuses a NO_PROXY that curl takes.
            trust_env=False,
            proxy=proxy_for(settings.base_url),
            follow_redirects=False,
            limits=httpx.Limits(max_connections=1),
        )
        return limited(client)
    except (ValueError, ImportError, httpx.InvalidURL):
        pass  # their words may hold the proxy's password
    raise ConfigError(
        "anthropic.base_url or a proxy variable (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY) is not a valid address.",
        cure="Write addresses as https://host or http://user:password@host:port.",
    )


@lru_cache(maxsize=8)
def _tls(ca_file: Path | None, *_variables: str | None) -> ssl.SSLContext:
    """The usual authorities (SSL_CERT_FILE and SSL_CERT_DIR are honoured) and those of `ca_file` besides.

    Clients share them: the authorities take a megabyte, and an agent may have twenty clients.
    """
    context = httpx.create_ssl_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            reason = error.strerror or str(error)
            raise ConfigError(
                f"anthropic.ca_file: {ca_file} cannot be used: {reason}.",
                cure="Name a readable file of certificates in PEM format.",
            ) from None
    return context
