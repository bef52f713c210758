"""Standard output and error as every command has them: open, able to take any character, redacted."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from anthropic_metrics.redaction import redact


class OutputLost(OSError):
    """A stream cannot be written to: a full disk, say. A pipe that its reader closed is BrokenPipeError."""


class _Redacted:
    """A text stream that removes secrets from what is written to it; in all else the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with _writing():
            self._stream.write(redact.scrub(text))
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        self.write("".join(lines))

    def flush(self) -> None:
        with _writing():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def guard() -> None:
    """Put both streams behind the redaction.

    A closed stream swallows its text; a character that a stream's encoding lacks is written as an escape.
    """
    sys.stdout, sys.stderr = _guarded(sys.stdout), _guarded(sys.stderr)


@contextmanager
def flushed() -> Iterator[None]:
    """Write out what the context printed, whatever it ends in. Raises OutputLost."""
    try:
        yield
    finally:
        sys.stdout.flush()


def abandon() -> None:
    """Let nothing more be written: what is left in a buffer would fail again, with Python's own words."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputLost(error.errno, error.strerror) from None


def _guarded(stream: TextIO | None) -> TextIO:
    if isinstance(stream, _Redacted):
        return cast("TextIO", stream)
    opened = stream or io.TextIOWrapper(io.FileIO(os.devnull, "w"), encoding="utf-8")
    if isinstance(opened, io.TextIOWrapper):
        opened.reconfigure(errors="backslashreplace")
    return cast("TextIO", _Redacted(opened))
