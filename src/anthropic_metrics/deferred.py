"""Warnings of a command that wait for its end: the message that ends it may say the same."""

from __future__ import annotations

import logging
from logging.handlers import MemoryHandler

_MOST = 1000


class Deferred(MemoryHandler):
    """Passes records on to `target` when the process ends, or at once with the first error."""

    def __init__(self, target: logging.Handler) -> None:
        super().__init__(_MOST, flushLevel=logging.ERROR, target=target)


def discard() -> None:
    """Drop the warnings that wait."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, Deferred):
            handler.buffer.clear()
