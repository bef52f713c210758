"""Headroom documents from windows. Pure: the same windows, names and moment make the same documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter
from typing import Any

from anthropic_metrics.documents.base import LARGEST_LONG
from anthropic_metrics.documents.headroom import HeadroomDocument
from anthropic_metrics.documents.identity import Prepared, named
from anthropic_metrics.headroom.limits import ORGANIZATION, WORKSPACE
from anthropic_metrics.headroom.windows import WINDOW, Window, percentile_95
from anthropic_metrics.kernel.datasets import HEADROOM
from anthropic_metrics.kernel.frame import DOCUMENTED_LAG, Frame, workspace_fields
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ranges import Range


def moment(seconds: int) -> datetime:
    """Seconds since 1970 as an aware time."""
    return datetime.fromtimestamp(seconds, UTC)


def countable(windows: Iterable[Window]) -> tuple[list[Window], list[Window]]:
    """Windows whose tokens fit into a document, and those that hold more than Elasticsearch can count."""
    good: list[Window] = []
    beyond: list[Window] = []
    for window in windows:
        (good if sum(window.counts) <= LARGEST_LONG else beyond).append(window)
    return good, beyond


def headroom_documents(
    windows: Iterable[Window], names: Names, namespace: str, now: datetime, usage_read_at: datetime | None
) -> Iterator[Prepared]:
    """One document per window. `usage_read_at` is when usage was last read to its end, None: not known."""
    for seconds, together in groupby(windows, key=attrgetter("start")):
        start = moment(seconds)
        end = start + timedelta(seconds=WINDOW)
        complete = usage_read_at is not None and usage_read_at >= end + DOCUMENTED_LAG
        frame = Frame(HEADROOM, namespace, Range(start, end), names, now)
        writer, identities = frame.writer(HeadroomDocument), frame.identities
        for window in together:
            dimensions, anthropic = _content(window, names)
            anthropic["headroom"] |= {"window_start": start, "window_end": end, "complete": complete}
            yield writer.write(identities.of(named(dimensions)), anthropic=anthropic, gen_ai={})


def _content(window: Window, names: Names) -> tuple[dict[str, str | None], dict[str, Any]]:
    """What tells the window from others, and what its document says but for when it is."""
    scope = ORGANIZATION if window.workspace is None else WORKSPACE
    dimensions = {
        "scope": scope,
        "workspace_id": window.workspace,
        "group": window.group.key,
        "limit_type": window.limit_type,
        "unmapped": "yes" if window.unmapped else None,
    }
    anthropic = workspace_fields(window.workspace, names) | {
        "model": sorted(window.models),
        "headroom": {
            "scope": scope,
            "workspace_id": window.workspace,
            "group_id": None if window.unmapped else window.group.key,
            "group_name": window.group.name,
            "limit_type": window.limit_type,
            **_figures(window),
            "unmapped": window.unmapped,
            "caveats": sorted(window.caveats) or None,
        },
    }
    return dimensions, anthropic


def _figures(window: Window) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "tokens": sum(window.counts),
        "active_minutes": sum(count > 0 for count in window.counts),
        "peak_tokens": window.peak_tokens,
        "peak_minute": moment(window.peak_minute),
        "p95_tokens": percentile_95(window.counts),
    }
    if window.ceiling is None:
        return figures
    return figures | {
        "limit": window.ceiling.value,
        "limit_source": window.ceiling.source,
        "organization_limit": window.ceiling.organization,
        "peak_share": window.peak_share,
        "p95_share": percentile_95(window.shares),
        "headroom_share": window.headroom_share,
        "minutes_above_80": window.above_80,
        "minutes_above_100": window.above_100,
    }
