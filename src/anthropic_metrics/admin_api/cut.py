"""Cuts a page's text into its buckets' texts, so that one that was read before is not parsed again.

Only a page that is written in the usual way is cut: the list first, each bucket's bounds before its rows, no
space or one after each mark. Anything else is NotCut, and the page is parsed whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from pydantic_core import from_json

__all__ = ["NotCut", "Piece", "page_without_buckets", "pieces"]

_BOUNDS = re.compile(rb'\{"starting_at": ?"([^"\\]+)", ?"ending_at": ?"([^"\\]+)", ?"results": ?\[')


class NotCut(ValueError):
    """The page is written in another way."""


class Piece(NamedTuple):
    """A bucket's text, and its bounds as they stand there."""

    start: str
    end: str
    text: bytes


def pieces(body: bytes | bytearray) -> Iterator[Piece]:
    """Each bucket's text, in order. Raises NotCut, perhaps after some of them."""
    space = _space(body)
    entry = b'{"starting_at":' + space
    begin, last = len(_head(space)), _end(body, space)
    while begin < last:
        following = body.find(entry, begin + 1, last)
        end = last if following < 0 else following - len(space) - 1
        text = bytes(body[begin:end])
        bounds = _BOUNDS.match(text)
        if bounds is None or not text.endswith(b"]}") or body[end : end + 1] not in (b",", b"]"):
            raise NotCut
        yield Piece(bounds[1].decode(), bounds[2].decode(), text)
        begin = last if following < 0 else following


def page_without_buckets(body: bytes | bytearray) -> dict[str, Any]:
    """The page as an object, its list of buckets empty. Raises NotCut or ValueError."""
    space = _space(body)
    page: dict[str, Any] = from_json(_head(space) + bytes(body[_end(body, space) :]), allow_inf_nan=False)
    return page


def _space(body: bytes | bytearray) -> bytes:
    for space in (b"", b" "):
        if body.startswith(_head(space) + b'{"starting_at":'):
            return space
    raise NotCut


def _head(space: bytes) -> bytes:
    return b'{"data":%b[' % space


def _end(body: bytes | bytearray, space: bytes) -> int:
    """Where the list of buckets ends: what follows it holds no list."""
    end = body.rfind(b'],%b"has_more":' % space)
    if end < 0:
        raise NotCut
    return end
