"""Standard output and error as every command has them: open, able to take any character, redacted."""

from __future__ import annotations

import errno
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


class _Closed(io.RawIOBase):
    """Stands in for a standard output that was closed: refuses the first text, so that its loss is told."""

    _is_told = False

    def writable(self) -> bool:
        return True

    def write(self, text: Any) -> int:
        if not self._is_told:
            self._is_told = True
            raise OSError(errno.EBADF, "Standard output is closed")
        return len(text)


def guard() -> None:
    """Put both streams behind the redaction.

    A closed standard error swallows its text; a closed standard output is OutputLost once it gets any.
    A character that a stream's encoding lacks is written as an escape.
    """
    sys.stdout = _guarded(sys.stdout or _text(_Closed()))
    sys.stderr = _guarded(sys.stderr or _text(io.FileIO(os.devnull, "w")))


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


def _text(raw: io.RawIOBase) -> TextIO:
    return io.TextIOWrapper(cast("Any", raw), encoding="utf-8")


def _guarded(stream: TextIO) -> TextIO:
    if isinstance(stream, _Redacted):
        return cast("TextIO", stream)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return cast("TextIO", _Redacted(stream))
