"""Texts of documents that differ in a few places only: written once, filled in for each document.

Most rows have the dimensions of a row an hour before and other figures. What is made of the dimensions
(names, teams, JSON, redaction) is kept as a form; a row then costs one formatting.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import SystemRandom
from typing import Any

from pydantic_core import to_json

from anthropic_metrics.redaction import redact

# Nineteen digits that nobody can have put into a name.
_FIRST_MARK = SystemRandom().randrange(2 * 10**18, 9 * 10**18)


def marks(count: int, first: int = 0) -> tuple[int, ...]:
    """Numbers that stand for what a form leaves open, from the `first` on."""
    return tuple(_FIRST_MARK + first + number for number in range(count))


def texts(*values: Any) -> tuple[bytes, ...]:
    """Values other than figures as a form takes them: JSON without a secret."""
    return tuple(to_json(redact.scrub_all(value)) for value in values)


class Form:
    """JSON with room for values: JSON texts where the marks `texts` stand, then figures where `numbers` do.

    Raises ValueError where a mark is missing or stands in another order.
    """

    __slots__ = ("_text",)

    def __init__(self, text: bytes, texts: Sequence[int] = (), numbers: Sequence[int] = ()) -> None:
        rest, pieces = text.replace(b"%", b"%%"), []
        for mark in (*texts, *numbers):
            before, mark_found, rest = rest.partition(b"%d" % mark)
            if not mark_found:
                raise ValueError(
                    "a value has no place in the document, or another one than the model gives it"
                )
            pieces += [before, b"%b" if mark in texts else b"%d"]
        self._text = b"".join([*pieces, rest])

    def fill(self, values: tuple[bytes | int, ...]) -> bytes:
        """The text with these values, in the order of the marks."""
        return self._text % values
