"""Addresses of the documentation, for people who have the package and not its repository."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources

DOCUMENTATION = "https://github.com/anthropic-metrics/anthropic-metrics/blob/main/docs"
"""Where the pages of docs/ are read; every address in a message begins with it."""
MESSAGES = "messages.json"
"""Anchors of docs/troubleshooting.md and the messages they stand for, written by `scripts/docs`."""
LEFT_OUT = "…"


def page(name: str, anchor: str = "") -> str:
    """The address of a page in docs/, such as `migration.md`, or of a place on it."""
    return f"{DOCUMENTATION}/{name}#{anchor}" if anchor else f"{DOCUMENTATION}/{name}"


def see(text: str, otherwise: str = "") -> str:
    """The address of the help for a message as it was shown; empty where there is none.

    Where several messages of the page fit, it is the one with the most words of its own. `otherwise` is the
    anchor for a message that has none of its own.
    """
    anchor = next((anchor for anchor, form in _forms() if form.search(text)), otherwise)
    return page("troubleshooting.md", anchor) if anchor else ""


def with_address(text: str) -> str:
    """The message with the address of its help after it, where it has any."""
    address = see(text)
    return f"{text} See {address}" if address else text


def form_of(message: str) -> re.Pattern[str]:
    """What finds a message in a text, whatever stands in place of `…`."""
    parts = (re.escape(part.strip()) for part in message.split(LEFT_OUT))
    return re.compile(r"\s?.*?\s?".join(parts), re.DOTALL)


@cache
def _forms() -> list[tuple[str, re.Pattern[str]]]:
    messages = json.loads(resources.files("anthropic_metrics").joinpath(MESSAGES).read_text("utf-8"))
    most_words_first = sorted(messages.items(), key=lambda item: len(item[1].replace(LEFT_OUT, "")))[::-1]
    return [(anchor, form_of(message)) for anchor, message in most_words_first]
