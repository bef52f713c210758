"""What may be shown: secrets are removed from a text, and control characters are spelled out.

Every sink (terminal, page, document, log, metric, exit message) passes its text through here, and does so
before it cuts the text to a length: a key that is cut first is no longer recognised.
"""

from __future__ import annotations

import json
import re
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

from pydantic_core import to_json

MARK = "[redacted]"
_SHORTEST = 4  # A shorter secret would blank out ordinary words, and protects nothing.
_SHORTEST_PART = 8  # of a URL: shorter parts are words such as `services`
# Prefixes under which well-known services issue keys; each is followed by the random part.
_PREFIXES = ("sk-ant-", "xoxb-", "xoxp-", "xapp-", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "essu_")
_ISSUED = rf"(?:{'|'.join(map(re.escape, _PREFIXES))})[A-Za-z0-9_\-=]{{8,}}"
# Control characters, marks that turn the direction of a text, line separators, halves of a character.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Redaction:
    """The secrets that must never be shown, and the removal of them from any text. Thread-safe."""

    MARK = MARK

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()
        self._signs: tuple[str, ...] = _PREFIXES
        self._pattern = re.compile(_ISSUED)
        # Changes with what is hidden: a text that was scrubbed before is then to be scrubbed again.
        self.version = 0

    def add(self, value: str, *, username: str | None = None) -> None:
        """Hide `value` from now on, also as written in URLs, JSON, HTML, `repr` and `Basic` headers."""
        if len(value) >= _SHORTEST:
            self._hide({form for secret in _inside(value) for form in _written(secret)})
        if username is not None and value:
            self._hide({b64encode(f"{username}:{value}".encode()).decode()})

    def add_url(self, url: str) -> None:
        """Hide a URL that is a secret, however it is normalised, and the parts of it that make it one."""
        self.add(url)
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return
        host = (parts.hostname or "").lower()
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        default = port is None or port == {"http": 80, "https": 443}.get(parts.scheme.lower())
        self.add(f"{parts.scheme.lower()}://{host}{'' if default else f':{port}'}{target}")
        for part in (target, parts.password or "", *_random_parts(parts.path, parts.query)):
            if len(part) >= _SHORTEST_PART:
                self.add(part)

    def scrub(self, text: str) -> str:
        """`text` with each known secret, and anything that looks like an issued key, replaced by MARK."""
        return self._pattern.sub(MARK, text) if self.holds(text) else text

    def scrub_all(self, value: Any) -> Any:
        """A JSON value with each text in it scrubbed; the value itself where none holds a secret."""
        return self._scrubbed(value) if self.holds(to_json(value).decode()) else value

    def _scrubbed(self, value: Any) -> Any:
        match value:
            case str():
                return self.scrub(value)
            case dict():
                return {self.scrub(name): self._scrubbed(item) for name, item in value.items()}
            case list():
                return [self._scrubbed(item) for item in value]
        return value

    def holds(self, text: str) -> bool:
        """Whether `text` may hold a secret; quick, for large texts."""
        for sign in self._signs:  # noqa: SIM110  (a generator costs more than the search, at every document)
            if sign in text:
                return True
        return False

    def _hide(self, forms: set[str]) -> None:
        with self._lock:
            if forms <= set(self._forms):
                return
            longest_first = sorted({*self._forms, *forms}, key=len, reverse=True)
            self._pattern = re.compile("|".join([*map(re.escape, longest_first), _ISSUED]))
            self._forms = tuple(longest_first)
            self._signs = (*longest_first, *_PREFIXES)
            self.version += 1


redact = Redaction()


def printable(text: str) -> str:
    """`text` on one line, with what would steer a terminal spelled out: `\\x1b`, `\\n`."""
    return _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], text)


def clean(text: str) -> str:
    """`text` from elsewhere fit to be shown on a terminal: without secrets, and printable."""
    return printable(redact.scrub(text))


def no_formula(text: str) -> str:
    """`text` for a cell of CSV: what a spreadsheet would take for a formula gets an apostrophe before it."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def excerpt(text: str, length: int) -> str:
    """At most `length` characters of a text from elsewhere, fit to be shown: redacted before it is cut."""
    shown = clean(text)
    return shown if len(shown) <= length else shown[: length - 1] + "…"


def _inside(value: str) -> Iterator[str]:
    """The secret, and the one inside it: an encoded Elasticsearch key is `id:key` in base64."""
    yield value
    try:
        decoded = b64decode(value, validate=True).decode("ascii")
    except ValueError:
        return
    if decoded.isprintable() and len(key := decoded.partition(":")[2]) >= _SHORTEST_PART:
        yield key


def _written(value: str) -> set[str]:
    """`value` as it stands in URLs, JSON, HTML and `repr`."""
    return {
        value,
        quote(value, safe=""),
        quote(value),
        quote_plus(value),
        json.dumps(value)[1:-1],
        json.dumps(value, ensure_ascii=False)[1:-1],
        repr(value)[1:-1],
        repr(value.encode(errors="surrogatepass"))[2:-1],
        escape(value),
    }


def _random_parts(path: str, query: str) -> Iterator[str]:
    """The parts of a URL that nobody could guess."""
    for part in (*path.split("/"), *(value for _, value in parse_qsl(query))):
        if any(letter.isdigit() for letter in part) or part != part.lower():
            yield part
            yield unquote(part)
