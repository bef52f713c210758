"""Limits and use that the tests of headroom share. Times are seconds since 1970."""

from __future__ import annotations

from typing import Any

from anthropic_metrics.headroom.limits import Group, Limits, Snapshot, Timeline
from anthropic_metrics.headroom.windows import Window, windows
from anthropic_metrics.kernel.questions import Splits, Use

NINE = 1_795_165_200  # 2026-11-20T09:00:00Z
AWARE, PLAIN, OUTPUT = (
    "input_tokens_per_minute_cache_aware",
    "input_tokens_per_minute",
    "output_tokens_per_minute",
)
OPUS = ("opus-5", "opus-latest")
SPEEDS = Splits(speeds=True)


def group(models: Any = OPUS, key: Any = "g-opus", **limits: int) -> Group:
    return Group(key, key.title(), frozenset(models), limits)


def limits(*groups: Group, at: int = 0, **workspaces: Group) -> Limits:
    """One snapshot of the organization, and one of each workspace named."""
    own = {name: Timeline([Snapshot(at, (each,))]) for name, each in workspaces.items()}
    return Limits(Timeline([Snapshot(at, groups)]), own)


def use(minute: int = 0, **changed: Any) -> Use:
    """Use in the minute so many after nine: 100 uncached, 1000 read, 20 written, 50 out."""
    fields: dict[str, Any] = {
        "minute": NINE + 60 * minute,
        "workspace": "w1",
        "model": "opus-5",
        "fast": False,
        "uncached": 100,
        "cached": 1000,
        "created": 20,
        "output": 50,
    }
    return Use(**(fields | changed))


def whole(found: list[Window]) -> dict[str, Window]:
    """The organization's windows by limit."""
    return {window.limit_type: window for window in found if window.workspace is None}


def one(uses: list[Use], held: Limits, splits: Splits = SPEEDS) -> dict[str, Window]:
    return whole(windows(uses, held, splits))
