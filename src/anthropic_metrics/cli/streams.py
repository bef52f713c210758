"""Standard output and error as every command has them: open, able to take any character, redacted."""

from __future__ import annotations

import io
import os
import sys
from typing import Any, TextIO, cast

from anthropic_metrics.redaction import redact


class _Redacted:
    """A text stream that removes secrets from what is written to it; in all else the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        self._stream.write(redact.scrub(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard() -> None:
    """Put both streams behind the redaction.

    A closed stream swallows its text; a character that a stream's encoding lacks is written as an escape.
    """
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)


def _guarded(stream: TextIO | None) -> TextIO:
    if isinstance(stream, _Redacted):
        return cast("TextIO", stream)
    opened = stream or io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8")
    if isinstance(opened, io.TextIOWrapper):
        opened.reconfigure(errors="backslashreplace")
    return cast("TextIO", _Redacted(opened))
