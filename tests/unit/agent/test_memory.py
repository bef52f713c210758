"""Threads share few heaps, and freed memory is given back to the system."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from anthropic_metrics.agent.memory import HEAPS, give_back

RESIDENT = Path("/proc/self/statm")
BLOCKS, SIZE = 4_000, 16_384  # 64 MB in blocks too small for a mapping of their own


def resident() -> int:
    """Bytes of this process that are in memory; 0 where the system does not say."""
    if not RESIDENT.exists():
        return 0
    return int(RESIDENT.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_what_a_poll_has_freed_goes_back_even_below_what_is_still_used() -> None:
    blocks = [bytearray(SIZE) for _ in range(BLOCKS)]
    last = bytearray(SIZE)  # above them on the heap, so that its end cannot move down
    blocks.clear()
    before = resident()
    give_back()
    assert before == 0 or before - resident() > BLOCKS * SIZE / 2
    assert last == bytes(SIZE)


# Sixteen threads at once, each with blocks of its own; then the heaps that glibc itself tells of.
COUNTS_HEAPS = """
import ctypes, sys, threading
from anthropic_metrics.agent.memory import share_heaps
share_heaps()
barrier = threading.Barrier(16)
def work():
    blocks = [bytearray(16_384) for _ in range(8)]
    barrier.wait()
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
for thread in threads: thread.join()
libc = ctypes.CDLL(None)
if hasattr(libc, "malloc_info"):
    libc.fopen.restype = libc.fdopen.restype = ctypes.c_void_p
    out = ctypes.c_void_p(libc.fdopen(1, b"w"))
    libc.malloc_info(0, out)
    libc.fflush(out)
"""


def test_however_many_threads_there_are_they_share_the_same_few_heaps() -> None:
    told = subprocess.run([sys.executable, "-c", COUNTS_HEAPS], check=True, capture_output=True, text=True)
    assert told.stdout == "" or 1 <= told.stdout.count("<heap nr=") <= HEAPS
