"""What two daemons side by side have left behind, compared with one alone and with the truth."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from elasticsearch.helpers import scan

from anthropic_metrics.kernel.ranges import Range
from tests.harness.chaos_rows import Wrong
from tests.harness.chaos_truth import check_derived, check_spend, check_streams
from tests.harness.chaos_world import Chaos

# Default intervals, in minutes.
JOBS = {"usage": 5, "usage_1m": 5, "headroom": 5, "rate_limit": 15, "cost": 60}
SWEPT = ("usage", "usage_1m", "cost")
MOST = 1.01  # requests a poll beside another daemon, of what they are alone: jitter makes up so much


def judge(worlds: dict[str, Chaos], asked: dict[str, int], wrong: list[str], week: Range) -> int:
    """Print what was found; the exit code is 0 if all is as it must be."""
    polls = {side: polled(each) for side, each in worlds.items()}
    clock = worlds["alone"].clock
    for last in (False, False, True):
        for each in worlds.values():
            each.truth.once()
        if not last:
            clock.advance(timedelta(minutes=65))
    show(polls, week)
    a_poll = {side: asked[side] / len(polls[side]) for side in worlds}
    conflicts = sum(poll.get("conflicts", 0) for poll in polls["beside"])
    differences = {side: difference(each, week.start) for side, each in worlds.items()}
    print(
        f"\nOne asked the Admin API {asked['alone']:,} times, two asked {asked['beside']:,} times "
        f"({asked['beside'] / asked['alone']:.3f}): {a_poll['alone']:.3f} and {a_poll['beside']:.3f} times a "
        f"poll. At {conflicts:,} writes the other was first. Lines at level error, exit codes other than 0: "
        f"{len(wrong)}. Differences: {differences if any(differences.values()) else 'none'}."
    )
    print("\n".join(wrong[:20]), file=sys.stderr)
    return 1 if wrong or any(differences.values()) or a_poll["beside"] > MOST * a_poll["alone"] else 0


def polled(world: Chaos) -> list[dict[str, Any]]:
    """All polls, from the agent stream."""
    stream = world.truth.stream("agent")
    world.es.indices.refresh(index=stream)
    query = {"query": {"term": {"event.action": "poll"}}}
    hits = scan(world.es, query, index=stream, size=5000)
    return [hit["_source"]["anthropic"]["poll"] for hit in hits]


def show(polls: dict[str, list[dict[str, Any]]], week: Range) -> None:
    """How many polls were due at the intervals, sweeps included, and how many were done."""
    done = {
        side: Counter(poll["stream"].split(".")[1].rpartition("-")[0] for poll in some)
        for side, some in polls.items()
    }
    span = week.end - week.start
    print("| stream | polls due | done alone | done by two |\n|---|---|---|---|")
    for dataset, minutes in JOBS.items():
        due = span // timedelta(minutes=minutes) + (span // timedelta(days=1) if dataset in SWEPT else 0)
        print(f"| {dataset} | {due:,} | {done['alone'][dataset]:,} | {done['beside'][dataset]:,} |")


def difference(world: Chaos, since: datetime) -> str:
    """What is not as it must be; empty if nothing is."""
    if twice := doubled(world):
        return f"there twice: {twice}"
    try:
        check_streams(world, since=since)
        check_derived(world, "headroom")
        check_spend(world)
    except Wrong as error:
        return str(error)
    return ""


def doubled(world: Chaos) -> dict[str, int]:
    """By stream, the documents beyond the first of any `_id`, over all backing indices."""
    hits = scan(world.es, {"_source": False}, index=world.truth.stream("*"), size=5000)
    times = Counter((hit["_index"].rsplit("-", 2)[0], hit["_id"]) for hit in hits)
    twice: Counter[str] = Counter()
    for (stream, _), count in times.items():
        twice[stream] += count - 1
    return {stream: count for stream, count in twice.items() if count}
