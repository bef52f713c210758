"""Every data stream of the agent, in the order in which one pass fills them."""

from __future__ import annotations

from anthropic_metrics.streams import (
    agent,
    alert,
    cost,
    headroom,
    inventory,
    people,
    rate_limit,
    spend,
    usage,
)
from anthropic_metrics.streams.stream import Stream

STREAMS: tuple[Stream, ...] = (
    rate_limit.STREAM,
    cost.STREAM,
    usage.DAYS,
    usage.HOURS,
    usage.MINUTES,
    headroom.STREAM,
    spend.STREAM,
    inventory.STREAM,
    people.STREAM,
    agent.STREAM,
    alert.STREAM,
)
BY_DATASET = {stream.dataset: stream for stream in STREAMS}
# The names of `--only`, each once.
ONLY = tuple(dict.fromkeys(stream.only for stream in STREAMS if stream.only))
