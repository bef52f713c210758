"""Which given values a message may quote: only those whose form shows that they are no secret.

A value in the wrong place may be a key, a password or a webhook, and nothing about a text proves otherwise.
So a message quotes what is a near miss of what it asks for (a number, a date, `5 min`, a known word), and of
everything else names the place only.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from anthropic_metrics.redaction import printable

_HARMLESS = re.compile(
    r"""
      [+-]?\d{1,9}(\.\d{1,4})?                        # a number
    | [+-]?\d{1,6}\s?[a-z]{1,7}                       # a length, or what was to be one
    | \d{4}-\d{1,2}-\d{1,2}([T ]\d\d:\d\d(:\d\d)?Z?)?  # a date or a time
    | true|false|yes|no|on|off|none|null
    """,
    re.VERBOSE | re.ASCII,
)
# Where a URL is itself the secret.
WEBHOOK_HOSTS = frozenset(
    {"hooks.slack.com", "discord.com", "discordapp.com", "chat.googleapis.com", "outlook.office.com"}
)
_RANDOM_LENGTH = 16
_FILE_ENDINGS = {".pem", ".crt", ".cer", ".ca", ".key", ".txt", ".yaml", ".yml", ".json", ".env"}


def in_quotes(text: str) -> bool:
    """Whether quotes stand around it, as when a line of a shell or of JSON was copied."""
    return len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`"


def quoted(value: object, *, near: Iterable[str] = ()) -> str:
    """`value` in quotes, or nothing where it may be a secret. `near`: words that it may resemble."""
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, int):
        return repr(value) if abs(value) < 10**9 else ""
    if not isinstance(value, str):
        return ""
    text = value.strip()
    if _HARMLESS.fullmatch(text) or (text and get_close_matches(text.lower(), list(near), n=1, cutoff=0.6)):
        return repr(printable(value))
    return ""


def but_not(value: object) -> str:
    """`, not '5 min'` for the end of a sentence; nothing where the value may be a secret."""
    shown = quoted(value)
    return f", not {shown}" if shown else ""


def path(value: Path) -> str:
    """The path, or `the file it names` where the text may be the secret itself instead of a path to it."""
    text = str(value)
    rooted = value.is_absolute() or text[0] in ".~" or value.suffix.lower() in _FILE_ENDINGS
    parts = [part for part in re.split(r"[/\\._\-]+", text) if part]
    return (
        text
        if rooted and text.isprintable() and not any(map(looks_random, parts))
        else "the file that it names"
    )


def name(value: str) -> str:
    """A key of the configuration as it was written; `(a name)` where that may be a secret."""
    words = [word for word in re.split(r"[\s._\-=]+", value) if word]
    harmless = len(value) <= 64 and value.isprintable() and not re.search(r"[@:/+]", value)
    return value if harmless and not any(map(looks_random, words)) else "(a name)"


def looks_random(word: str) -> bool:
    """Whether a word may be a key: long, or of digits mixed with letters of both cases."""
    kinds = sum((any(map(str.isdigit, word)), any(map(str.isupper, word)), any(map(str.islower, word))))
    return (len(word) >= 8 and kinds >= 3) or (len(word) >= _RANDOM_LENGTH and kinds >= 2)
