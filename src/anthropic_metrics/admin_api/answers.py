"""What an answer other than 200 means, in words: bounded, with request id and query, never with the key."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pydantic_core

from anthropic_metrics.admin_api.keys import KeyKind
from anthropic_metrics.admin_api.retry import TOO_MANY_REQUESTS, RetryPolicy
from anthropic_metrics.errors import AnswerTooLarge, AuthError, BadRequest, MetricsError, RetryLater
from anthropic_metrics.proxies import proxy_host

__all__ = [
    "Answer",
    "Refusal",
    "is_certificate",
    "not_json",
    "query",
    "read",
    "told",
    "too_large",
    "too_long_a_hold",
    "unreachable",
]

# Nothing was sent to the server itself.
_UNREACHED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)
_LONGEST_TEXT = 300
_LONGEST_NAME = 80
_LONGEST_QUERY = 600
_SET = "The key is read from ANTHROPIC_ADMIN_API_KEY, anthropic.admin_key or anthropic.admin_key_file."
_LIMITED = (
    "Other tools share this limit; the agent waits and loses nothing. If it lasts, lower "
    "anthropic.requests_per_minute."
)
_PASSES = "The server is overloaded or has a fault; the agent asks again at its next poll and loses nothing."
# The same to whoever has started a command, which does not ask again.
_REPEAT = {
    _LIMITED: "Other tools share this limit. Try again in a minute; if it lasts, lower "
    "anthropic.requests_per_minute.",
    _PASSES: "The server is overloaded or has a fault. Try again in a minute.",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; the body is decompressed. Its content stays out of tracebacks that show locals."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes | bytearray = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer other than 200, as far as the agent understands it. All texts are bounded and printable."""

    status: int
    error_type: str
    message: str
    request_id: str
    location: str = ""

    def fields(self) -> dict[str, Any]:
        """For the log."""
        return {
            "status": self.status,
            "error_type": self.error_type,
            "error_message": self.message,
            "request_id": self.request_id,
        }

    def error(self, request: httpx.Request, kind: KeyKind) -> MetricsError:
        """What to raise for a refusal that asking again does not mend."""
        # The parameters matter where the query was refused, not where the path or the key was.
        refused = _question(request) if self.status in (400, 422) else request.url.path
        words = f"The Admin API answered {self} to {refused}."
        if self.status in (401, 403):
            return self._refused(words, kind)
        return BadRequest(words, status=self.status, cure=self._cure())

    def _refused(self, words: str, kind: KeyKind) -> AuthError:
        """What to raise for a key that is refused. Each message has its own place in the documentation."""
        status = self.status
        if kind == "ordinary":
            return AuthError(
                f"{words} This is an ordinary API key (sk-ant-api...), which cannot read the Admin API.",
                status=status,
                cure="Use an Admin key (sk-ant-admin...), created by an organization admin in the Console. "
                f"{_SET}",
            )
        if kind == "oauth":
            return AuthError(
                f"{words} The OAuth token has expired or lacks the scope org:admin.",
                status=status,
                cure=f"Get a new token. {_SET}",
            )
        if status == 403:
            return AuthError(
                f"{words} The key is valid but may not read this.",
                status=status,
                cure=f"Use an Admin key of the organization. {_SET}",
            )
        if kind == "admin":
            return AuthError(
                f"{words} The Admin key is wrong, disabled or deleted.",
                status=status,
                cure=f"Create a new one in the Console. {_SET}",
            )
        return AuthError(
            f"{words} This does not look like a key of the Admin API.",
            status=status,
            cure=f"Use an Admin key, which begins with sk-ant-admin. {_SET}",
        )

    def passing(self, request: httpx.Request, after: float | None) -> RetryLater:
        """What to raise when our patience ends; `after` seconds is what the server asked for."""
        wish = f" and asked to wait {after:.0f} s" if after else ""
        asked = f"{_question(request)}{wish}"
        if self.status == TOO_MANY_REQUESTS:
            # With its number in its own text, the message is found under it in the documentation.
            return RetryLater(f"The Admin API answered 429{self._details()} to {asked}.", cure=_LIMITED)
        words = f"The Admin API answered {self} to {asked}."
        return RetryLater(words, cure=_PASSES)

    def _cure(self) -> str:
        if self.location:
            return f"It points to {self.location}: check anthropic.base_url and the proxy."
        if self.status == 407:
            return "The proxy requires a user and a password: put them into HTTPS_PROXY."
        return ""

    def __str__(self) -> str:
        return f"{self.status}{self._details()}"

    def _details(self) -> str:
        request_id = f"request id {self.request_id}" if self.request_id else ""
        details = "; ".join(filter(None, (self.message, request_id)))
        kind = f" {self.error_type}" if self.error_type else ""
        return f"{kind} ({details})" if details else kind


def read(answer: Answer, hide: Callable[[str], str]) -> Refusal:
    """Whatever the body says, in the documented form or as the text of a proxy in between; never raises."""
    try:
        body = pydantic_core.from_json(answer.body)
    except ValueError:
        body = None
    body = body if isinstance(body, dict) else {}
    error = body.get("error")
    error = error if isinstance(error, dict) else {}
    message = error.get("message") or answer.body.decode("utf-8", "replace")

    def text(value: object, length: int) -> str:
        return _line(hide(value), length) if isinstance(value, str) else ""

    return Refusal(
        status=answer.status,
        error_type=text(error.get("type"), _LONGEST_NAME),
        message=text(message, _LONGEST_TEXT),
        request_id=text(answer.headers.get("request-id") or body.get("request_id"), _LONGEST_NAME),
        location=_location(answer),
    )


def unreachable(request: httpx.Request, failure: httpx.RequestError) -> RetryLater:
    """What to raise when no complete answer came."""
    host = request.url.netloc.decode("ascii", "replace").rpartition("@")[2]
    if is_certificate(failure):
        return RetryLater(
            f"The certificate of {host} was refused: {_reason(failure)}.",
            cure="If a proxy or gateway of yours signs it, set anthropic.ca_file to its authority (PEM).",
        )
    if isinstance(failure, _UNREACHED) and (proxy := proxy_host(str(request.url))):
        return RetryLater(
            f"{host} cannot be reached through the proxy {proxy} ({_reason(failure)}).",
            cure="Check the proxy and the proxy variables (HTTPS_PROXY, NO_PROXY).",
        )
    return RetryLater(
        f"No complete answer from {host} ({type(failure).__name__}: {_reason(failure)}).",
        cure="Check the network, the proxy variables (HTTPS_PROXY, NO_PROXY) and anthropic.base_url.",
    )


def is_certificate(failure: httpx.RequestError) -> bool:
    """Whether the failure goes back to a certificate that is not trusted; asking again does not mend it."""
    return _root(failure, ssl.SSLCertVerificationError) is not None


def not_json(request: httpx.Request, answer: Answer, reason: str) -> RetryLater:
    """What to raise when a 200 came with something else than JSON, or with half of it."""
    kind = _line(answer.headers.get("content-type", "no content type"), _LONGEST_NAME)
    return RetryLater(
        f"The Admin API's answer to {_question(request)} is not JSON ({kind}; {len(answer.body)} bytes; "
        f"{_line(reason, _LONGEST_TEXT)}).",
        cure="It may be a page of a proxy or portal in between.",
    )


def too_large(request: httpx.Request, limit: int) -> AnswerTooLarge:
    """What to raise when there is more than may be read."""
    return AnswerTooLarge(
        f"The Admin API's answer to {_question(request)} is larger than {limit:,} bytes.",
        cure="Raise anthropic.max_answer_bytes if the answer is genuine.",
    )


def too_long_a_hold(seconds: float) -> RetryLater:
    """What to raise when the organization's hold is longer than a call may wait."""
    return RetryLater(
        f"The Admin API limits requests; the next one is sent in {seconds:.0f} seconds.",
        cure=_LIMITED,
    )


def told(error: RetryLater, policy: RetryPolicy) -> RetryLater:
    """The error with what to do, which depends on whether an agent asks again."""
    return error if policy.asks_again else RetryLater(error.message, cure=_REPEAT.get(error.cure, error.cure))


def query(request: httpx.Request) -> dict[str, Any]:
    """What was asked, for the log: path and parameters, never a header."""
    return {"path": request.url.path, "params": _params(request)}


def _question(request: httpx.Request) -> str:
    params = _params(request)
    return f"{request.url.path}?{params}" if params else request.url.path


def _params(request: httpx.Request) -> str:
    """Readable, so not percent-encoded."""
    return _line(
        "&".join(f"{name}={value}" for name, value in request.url.params.multi_items()), _LONGEST_QUERY
    )


def _reason(failure: httpx.RequestError) -> str:
    certificate = _root(failure, ssl.SSLCertVerificationError)
    if isinstance(certificate, ssl.SSLCertVerificationError):
        return certificate.verify_message
    return _line(str(failure), _LONGEST_TEXT) or "no reason given"


def _root(failure: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The exception of this kind that `failure` was raised from; httpx wraps what httpcore has wrapped."""
    cause: BaseException | None = failure
    while cause is not None and not isinstance(cause, kind):
        cause = cause.__cause__ or cause.__context__
    return cause


def _location(answer: Answer) -> str:
    """Scheme and host of a redirect: the rest may be anything."""
    if not 300 <= answer.status < 400 or "location" not in answer.headers:
        return ""
    try:
        url = httpx.URL(answer.headers["location"])
    except (httpx.InvalidURL, ValueError):
        return "an unreadable address"
    return _line(f"{url.scheme}://{url.host}" if url.host else "another path", _LONGEST_NAME)


def _line(text: str, length: int) -> str:
    """On one line, printable, cut to a length."""
    clean = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * length]).split())
    return clean if len(clean) <= length else clean[: length - 3] + "..."
