"""How the process takes memory from the system and gives it back, where its allocator is glibc's."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress

# Heaps that all threads share. Left alone, glibc makes eight for each core, and each keeps what its threads
# once needed: with a hundred threads of twenty organizations that was half of the agent's memory.
HEAPS = 2
# Blocks from this size on, such as answers and bulk requests, are mappings of their own: gone when freed.
LARGE = 256 * 1024
_ARENA_MAX, _MMAP_THRESHOLD = -8, -3  # as <malloc.h> numbers them


def _libc() -> ctypes.CDLL | None:
    """glibc, where the process has it."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            if libc.mallopt and libc.malloc_trim:
                return libc
    return None


_LIBC = _libc()


def share_heaps() -> None:
    """Let all threads of this process share `HEAPS` heaps; call it before there are threads."""
    if _LIBC is not None:
        _LIBC.mallopt(_ARENA_MAX, HEAPS)
        _LIBC.mallopt(_MMAP_THRESHOLD, LARGE)


def give_back() -> None:
    """Return to the system what is free now; takes a few milliseconds, and does nothing without glibc."""
    if _LIBC is not None:
        _LIBC.malloc_trim(0)
