"""Memory that a poll has freed goes back to the system."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from contextlib import suppress


def _trim() -> Callable[[int], int] | None:
    """glibc keeps what was freed for later; its `malloc_trim` gives it back. Other systems have none."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
            return trim
    return None


_TRIM = _trim()


def give_back() -> None:
    """Return to the system what is free now; takes a few milliseconds, and does nothing without glibc."""
    if _TRIM is not None:
        _TRIM(0)
