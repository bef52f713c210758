"""Documents per second of a whole backfill, beside the bulk helper that is given the same documents."""

from __future__ import annotations

from itertools import count
from statistics import median

from anthropic_metrics.embedded import EmbeddedElasticsearch
from bench.setting import Figure, canned
from bench.writers import by_agent, by_helper, documents

ROWS = 30  # in each bucket: 22,080 documents
ROUNDS = 5
WARM_UP = 2  # rounds that do not count: the server compiles its own code first
AIM = 0.85


def measure() -> list[Figure]:
    """Rounds of both in turn; the ratio is the median of the rounds' own ratios."""
    numbers = count()
    rates: list[tuple[float, float]] = []
    with canned("api", ROWS) as api, EmbeddedElasticsearch(heap="1g") as server:
        ready = documents(api, server.url)
        for round_ in range(WARM_UP + ROUNDS):
            if round_ % 2:
                helper = by_helper(server.url, f"n{next(numbers)}", ready)
                ours = by_agent(api, server.url, f"n{next(numbers)}", len(ready))
            else:
                ours = by_agent(api, server.url, f"n{next(numbers)}", len(ready))
                helper = by_helper(server.url, f"n{next(numbers)}", ready)
            rates.append((len(ready) / ours.wall, len(ready) / helper.wall))
    rates = rates[WARM_UP:]
    ratio = median(ours / helper for ours, helper in rates)
    return [
        Figure(
            f"backfill of {len(ready):,} documents",
            f"{median(ours for ours, _ in rates):,.0f} documents/s",
            f"parallel_bulk {median(helper for _, helper in rates):,.0f} documents/s",
            f"{ratio:.2f} of it (aim: {AIM} or more)",
            ratio >= AIM,
        )
    ]
