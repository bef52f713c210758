"""Freed memory is given back to the system."""

from __future__ import annotations

import os
from pathlib import Path

from anthropic_metrics.agent.memory import give_back

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
