"""Documents per second of a whole backfill, beside the bulk helper that is given the same documents."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from statistics import median

from anthropic_metrics.embedded import EmbeddedElasticsearch
from bench.setting import Figure, canned
from bench.writers import by_agent, by_helper, documents

# Rows in each bucket, and days: 25,600 and 54,360 documents.
SIZES = ((100, 10), (1_359, 1))
ROUNDS = 5
WARM_UP = 2  # rounds that do not count: the server compiles its own code first
AIM = 0.85


def measure() -> list[Figure]:
    """Rounds of both in turn for each size."""
    numbers = count()
    with EmbeddedElasticsearch(heap="1g") as server:
        return [
            _figure(rows, _rounds(server.url, rows, days, numbers, warm_up=0 if place else WARM_UP))
            for place, (rows, days) in enumerate(SIZES)
        ]


def _rounds(
    elasticsearch: str, rows: int, days: int, numbers: Iterator[int], *, warm_up: int
) -> list[tuple[float, float]]:
    """Documents per second of the agent and of the helper, round by round."""
    rates: list[tuple[float, float]] = []
    with canned("api", rows) as api:
        ready = documents(api, elasticsearch, days)

        def ours() -> float:
            spent = by_agent(api, elasticsearch, f"n{next(numbers)}", len(ready), days)
            return len(ready) / spent.wall

        def theirs() -> float:
            return len(ready) / by_helper(elasticsearch, f"n{next(numbers)}", ready).wall

        for round_ in range(warm_up + ROUNDS):
            if round_ % 2:
                helper, agent = theirs(), ours()
            else:
                agent, helper = ours(), theirs()
            rates.append((agent, helper))
    return rates[warm_up:]


def _figure(rows: int, rates: list[tuple[float, float]]) -> Figure:
    """The ratio is the median of the rounds' own ratios."""
    ratio = median(agent / helper for agent, helper in rates)
    return Figure(
        f"backfill at {rows:,} rows an hour",
        f"{median(agent for agent, _ in rates):,.0f} documents/s",
        f"parallel_bulk {median(helper for _, helper in rates):,.0f} documents/s",
        f"{ratio:.2f} of it (aim: {AIM} or more)",
        ratio >= AIM,
    )
