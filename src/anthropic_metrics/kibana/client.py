"""A small client for Kibana's HTTP API: one key, one space, and errors that say what to do."""

from __future__ import annotations

import re
import ssl
from types import TracebackType
from typing import Any, Self

import httpx

from anthropic_metrics.body import TooLarge, read_body
from anthropic_metrics.certificates import authorities, tls_cure, unverified, usual_authorities
from anthropic_metrics.config import KibanaSettings
from anthropic_metrics.deadline import TIMEOUTS, limited, within
from anthropic_metrics.errors import (
    AuthError,
    BadRequest,
    BrokenContract,
    ConfigError,
    MetricsError,
    RetryLater,
)
from anthropic_metrics.proxies import proxy_for, proxy_host
from anthropic_metrics.redaction import excerpt

MOST_BYTES = 64 * 1024 * 1024  # an export of all saved objects has a few megabytes
TIMEOUT = 60.0  # an import of many saved objects takes Kibana a while
_URL_CURE = "Check `kibana.url` and that Kibana can be reached from this machine."
# Headers of the body as it was sent, which is read and decompressed by then.
_OF_THE_WIRE = ("content-encoding", "content-length", "transfer-encoding")
_LOGIN_CURE = (
    "Check KIBANA_API_KEY or `kibana.api_key`: it may have expired, or belong to another deployment."
)
_RIGHTS_CURE = (
    "Give the key's role the Kibana privileges Stack Rules, Dashboard, Data View Management and Saved "
    "Objects Management (all) and Actions and Connectors (read) in this space."
)
SPACE_CURE = "Check `kibana.space`: it must be the space's identifier, not its title."


class KibanaClient:
    """Requests to one space of one Kibana. Close it, or use it as a context manager.

    Raises ConfigError when no URL is configured or the key's file cannot be read. A request may take
    `seconds` in all. `transport` is for tests.
    """

    def __init__(
        self,
        settings: KibanaSettings,
        *,
        transport: httpx.BaseTransport | None = None,
        seconds: float = TIMEOUTS * TIMEOUT,
    ) -> None:
        if not settings.url:
            raise ConfigError(
                "kibana.url is not set.",
                cure="Set KIBANA_URL, or kibana.url in the configuration file. For an import by hand, "
                "`alerts export` and `dashboards export` write files.",
            )
        self._secret = settings.secret()
        if self._secret is not None:
            self._secret.get()
        self.space = settings.space
        self._authority = settings.ca_certs is not None
        base = settings.url.rstrip("/")
        self._server = base
        self._base = f"{base}/s/{settings.space}" if settings.space else base
        self._http = limited(
            httpx.Client(
                timeout=TIMEOUT,
                transport=transport,
                trust_env=False,
                proxy=proxy_for(settings.url),
                follow_redirects=False,
                verify=_authorities(settings),
            )
        )
        self._seconds = seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the connections."""
        self._http.close()

    def version(self) -> tuple[int, ...]:
        """Kibana's version, such as (9, 1, 0). Raises BrokenContract when the answer names none."""
        status = self._ask("GET", f"{self._server}/api/status")
        text = str(_member(status, "version", "number") or "")
        number = tuple(int(part) for part in re.findall(r"\d+", text)[:3])
        if not number:
            raise BrokenContract("GET /api/status: the answer names no version.", cure=_URL_CURE)
        return number

    def request(
        self, method: str, path: str, *, json: Any = None, files: Any = None, params: Any = None
    ) -> Any:
        """The parsed answer of `path` (such as `/api/alerting/rule/x`) in the space; None when it is empty.

        Raises AuthError (401, 403), BadRequest (other 4xx, with `.status`), RetryLater (429, 5xx, no
        connection) and BrokenContract (a redirect to a login page, a body that is not JSON).
        """
        return self._ask(method, self._base + path, json=json, files=files, params=params)

    def text(self, method: str, path: str, *, json: Any = None) -> str:
        """An answer that is not JSON, such as a page or an export; raises like `request`."""
        return self._answer(method, self._base + path, json=json).text

    def _ask(self, method: str, url: str, **options: Any) -> Any:
        answer = self._answer(method, url, **options)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise BrokenContract(f"{_doing(method, url)}: the answer is not JSON.", cure=_URL_CURE) from None

    def _answer(self, method: str, url: str, **options: Any) -> httpx.Response:
        """An answer that is what was asked for, whatever it holds."""

        def send() -> httpx.Response:
            return self._send(method, url, options)

        secret = self._secret
        answer = send() if secret is None else secret.present(send, lambda answer: answer.status_code == 401)
        if answer.status_code >= 400:
            raise _refusal(answer, _doing(method, url), self.space)
        if answer.is_redirect:
            raise BrokenContract(f"{_doing(method, url)}: Kibana redirects to another page.", cure=_URL_CURE)
        return answer

    def _send(self, method: str, url: str, options: dict[str, Any]) -> httpx.Response:
        # Kibana refuses changes without kbn-xsrf; which value it has does not matter.
        headers = {"kbn-xsrf": "anthropic-metrics", "accept": "application/json"}
        if self._secret is not None:
            headers["authorization"] = f"ApiKey {self._secret.get()}"
        present = {name: value for name, value in options.items() if value is not None}
        try:
            with within(self._seconds), self._http.stream(method, url, headers=headers, **present) as answer:
                body = read_body(answer, MOST_BYTES, lambda: None)
            plain = {name: value for name, value in answer.headers.items() if name not in _OF_THE_WIRE}
            return httpx.Response(answer.status_code, headers=plain, content=bytes(body))
        except TooLarge:
            raise BrokenContract(
                f"{_doing(method, url)}: the answer has more than {MOST_BYTES:,} bytes.", cure=_URL_CURE
            ) from None
        except httpx.TimeoutException:
            raise RetryLater(f"{_doing(method, url)}: Kibana did not answer in time.") from None
        except httpx.HTTPError as error:
            cure = (
                tls_cure(str(error), "kibana.url", "kibana.ca_certs", has_authority=self._authority)
                or _URL_CURE
            )
            if proxy := proxy_host(self._server):
                through = f"Kibana cannot be reached through the proxy {proxy}: {error}"
                raise RetryLater(through, cure=cure) from None
            raise RetryLater(f"No connection to Kibana: {error}", cure=cure) from None


def _doing(method: str, url: str) -> str:
    """A request, for messages."""
    return f"{method} {httpx.URL(url).path}"


def _authorities(settings: KibanaSettings) -> ssl.SSLContext:
    if not settings.verify_certs:
        return unverified()
    return authorities("kibana.ca_certs", settings.ca_certs) if settings.ca_certs else usual_authorities()


def _refusal(answer: httpx.Response, doing: str, space: str | None) -> MetricsError:
    status, why = answer.status_code, _words(answer)
    said = f"{doing}: Kibana answered {status}: {why}"
    if status == 401:
        return AuthError(f"{doing}: Kibana refused the credentials (401).", cure=_LOGIN_CURE)
    if status == 403:
        return AuthError(f"{doing}: Kibana answered 403: {why}", status=403, cure=_RIGHTS_CURE)
    if status == 429 or status >= 500:
        return RetryLater(said)
    return BadRequest(said, status=status, cure=SPACE_CURE if status == 404 and space else "")


def _words(answer: httpx.Response) -> str:
    """Kibana's own message, or the beginning of whatever came instead."""
    try:
        body = answer.json()
    except ValueError:
        return excerpt(answer.text, 300)
    return excerpt(str(_member(body, "message") or body), 1000)


def _member(body: Any, *names: str) -> Any:
    for name in names:
        body = body.get(name) if isinstance(body, dict) else None
    return body
