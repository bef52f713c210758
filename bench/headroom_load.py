"""Millions of documents into Elasticsearch: the agent's own, copied to other times with other figures.

The agent's code builds one document per combination (usage), per group (limits) and per window of the
newest four hours (headroom). All others are the JSON of these with other times, ids, hashes and figures, for
headroom also other workspaces; each has the `event.ingested` that an ingest pipeline would stamp.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, cast

from elasticsearch import Elasticsearch
from pydantic_core import to_json

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.headroom.derivation import STEP
from anthropic_metrics.kernel.ranges import WIDTHS, Range
from anthropic_metrics.reports.build import usage_documents
from anthropic_metrics.reports.views import View
from bench.headroom_sample import BLOCK, END, IN_A_MINUTE, Sample

Text = Mapping[str, str]  # JSON by the name of the hole that it fills
Texts = Iterator[str]

LAG = timedelta(minutes=6)  # from the end of a bucket until the agent reads it
LIMITS_EVERY = timedelta(minutes=15)
LIMITS_AT_ONCE = 20  # workspaces whose limits a poll reads
_TIMES = {
    "@timestamp": "start",
    "event.created": "read",
    "event.ingested": "taken",
    "event.hash": "hash",
}
_USAGE = {
    **_TIMES,
    "anthropic.usage.bucket_start_time": "start",
    "anthropic.usage.bucket_end_time": "end",
    "anthropic.usage.uncached_input_tokens": "uncached",
    "anthropic.usage.cached_input_tokens": "cached",
    "anthropic.usage.cache_creation_input_tokens": "created",
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": "short",
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": "long",
    "anthropic.usage.output_tokens": "output",
    "anthropic.usage.server_tool_use.web_search_requests": "searches",
    "anthropic.usage.input_tokens": "input",
    "anthropic.usage.total_tokens": "total",
    "gen_ai.usage.input_tokens": "input",
    "gen_ai.usage.output_tokens": "output",
}
_HEADROOM = {
    **_TIMES,
    "anthropic.headroom.window_start": "start",
    "anthropic.headroom.window_end": "end",
    "anthropic.headroom.peak_minute": "peak_minute",
    "anthropic.headroom.tokens": "tokens",
    "anthropic.headroom.peak_tokens": "peak_tokens",
    "anthropic.headroom.p95_tokens": "p95_tokens",
    "anthropic.headroom.peak_share": "peak_share",
    "anthropic.headroom.p95_share": "p95_share",
    "anthropic.headroom.headroom_share": "headroom_share",
}
_WORKSPACE = {
    "anthropic.headroom.workspace_id": "workspace",
    "anthropic.workspace.id": "workspace",
    "anthropic.workspace.name": "name",
    "anthropic.workspace.tags.team": "team",
}
_TOKENS = ("tokens", "peak_tokens")
_SHARES = ("p95_tokens", "peak_share", "p95_share")
_BULK = 2_000
_WRITERS = 3
_LOADING = {"refresh_interval": "-1", "number_of_replicas": 0, "translog": {"durability": "async"}}
_LOADED = {"refresh_interval": None, "translog": {"durability": None}}
_draw = random.Random(7)


class Shape:
    """A bulk action whose source is `source` with holes, by dotted path the name of what fills them."""

    def __init__(self, source: dict[str, Any], holes: Mapping[str, str]) -> None:
        for path, name in holes.items():
            *parents, last = path.split(".")
            level = source
            for parent in parents:
                level = level[parent]
            level[last] = f"<{name}>"
        text = to_json(source).decode().replace("%", "%%")
        for name in holes.values():
            text = text.replace(f'"<{name}>"', f"%({name})s")
        self._text = f'{{"create":{{"_id":"%(id)s"}}}}\n{text}\n'

    def filled(self, *parts: Text) -> str:
        """The action with an id and a hash of its own."""
        values = {"id": f"{_draw.getrandbits(128):032x}", "hash": f'"{_draw.getrandbits(128):032x}"'}
        for part in parts:
            values |= part
        return self._text % values


def times(start: datetime, width: timedelta) -> dict[str, str]:
    """Everything in a document that follows from its bucket."""
    end, read = start + width, start + width + LAG
    taken = f'"{read:%Y-%m-%dT%H:%M:%S}.{_draw.randrange(10**9):09}Z"'
    return {"start": _time(start), "end": _time(end), "read": _time(read), "taken": taken}


def usage(view: View, sample: Sample, begin: datetime, end: datetime) -> Texts:
    """Use of every combination at work: in half of its minutes, in all of its hours."""
    width = WIDTHS[view.width]
    often, busy = (IN_A_MINUTE, 1) if view.width == "1m" else (1.0, 30)
    frame = view.frame(Range(END, END + width), sample.names, END + timedelta(days=1))
    built = usage_documents(frame, sample.rows())
    shapes = [Shape(document.source, _USAGE) for document in built]
    for start in _starts(begin, end, width):
        when = times(start, width)
        for place in sample.at_work(start):
            if _draw.random() < often:
                yield shapes[place].filled(when, _figures(busy))


def _figures(busy: int) -> Text:
    def some(most: int) -> int:
        return int(_draw.random() * most * busy)

    uncached, cached, short, long, output = map(some, (20_000, 80_000, 9_000, 900, 4_000))
    input_ = uncached + cached + short + long
    figures = {
        "uncached": uncached,
        "cached": cached,
        "created": short + long,
        "short": short,
        "long": long,
        "output": output,
        "searches": some(2),
        "input": input_,
        "total": input_ + output,
    }
    return {name: str(value) for name, value in figures.items()}


def limits(sample: Sample, begin: datetime, end: datetime) -> Texts:
    """Snapshots as the agent takes them: the organization and twenty workspaces in turn."""
    whole, *own = ([Shape(each.source, _TIMES) for each in rows] for rows in sample.limits(END))
    for number, slot in enumerate(_starts(begin, end, LIMITS_EVERY)):
        when = times(slot, timedelta(0))
        turn = range(number * LIMITS_AT_ONCE, (number + 1) * LIMITS_AT_ONCE)
        for shapes in (whole, *(own[place % len(own)] for place in turn)):
            yield from (shape.filled(when) for shape in shapes)


@dataclass(frozen=True)
class _Window:
    """A headroom document to copy: when in its block, whose (by place, None: the organization's), what."""

    shape: Shape
    offset: timedelta
    peak: timedelta
    place: int | None
    figures: Mapping[str, float]

    @classmethod
    def of(cls, source: dict[str, Any], places: Mapping[str, int]) -> _Window:
        held, block = source["anthropic"]["headroom"], END - BLOCK
        offset = datetime.fromisoformat(held["window_start"]) - block
        peak = datetime.fromisoformat(held["peak_minute"]) - block
        place = places.get(held.get("workspace_id"))
        figures = {name: held[name] for name in (*_TOKENS, *_SHARES)} | {"used": 1 - held["headroom_share"]}
        holes = _HEADROOM if place is None else _HEADROOM | _WORKSPACE
        return cls(Shape(source, holes), offset, peak, place, figures)

    def less(self) -> Text:
        """The figures, all less by the same share."""
        share = 0.5 + _draw.random() / 2
        return {
            **{name: str(int(share * self.figures[name])) for name in _TOKENS},
            **{name: repr(share * self.figures[name]) for name in _SHARES},
            "headroom_share": repr(1 - share * self.figures["used"]),
        }


def headroom(documents: Iterable[Prepared], sample: Sample, begin: datetime, end: datetime) -> Texts:
    """`documents`, of the block before END, in every block of [begin, end), each time of other workspaces."""
    places = {space.id: place for place, space in enumerate(sample.spaces)}
    windows = [_Window.of(document.source, places) for document in documents]
    named = [
        {"workspace": f'"{space.id}"', "name": f'"{space.name}"', "team": f'"{space.tags["team"]}"'}
        for space in sample.spaces
    ]
    for number, block in enumerate(_starts(begin, end, BLOCK), start=1):
        when = {offset: times(block + offset, STEP) for offset in {window.offset for window in windows}}
        for window in windows:
            whose = {} if window.place is None else named[(window.place + 37 * number) % len(named)]
            peak = {"peak_minute": _time(block + window.peak)}
            yield window.shape.filled(when[window.offset], peak, whose, window.less())


def _starts(begin: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    while begin < end:
        yield begin
        begin += step


def _time(moment: datetime) -> str:
    return f'"{moment:%Y-%m-%dT%H:%M:%SZ}"'


def load(es: Elasticsearch, stream: str, documents: Texts) -> int:
    """Append to a stream's newest index, without refreshing it; returns how many."""
    loaded = 0
    with ThreadPoolExecutor(_WRITERS) as writers:
        waiting: list[Future[None]] = []
        while batch := list(islice(documents, _BULK)):
            waiting.append(writers.submit(_write, es, stream, batch))
            if loaded == 0:  # the first one makes the stream
                waiting[0].result()
                es.indices.put_settings(index=stream, settings=_LOADING)
            loaded += len(batch)
            if len(waiting) > 2 * _WRITERS:
                waiting.pop(0).result()
        for each in waiting:
            each.result()
    return loaded


def _write(es: Elasticsearch, stream: str, batch: list[str]) -> None:
    # Lines that are bytes go out as they are; the client's types do not say so.
    lines = cast(Any, ["".join(batch).encode()])
    answer = es.bulk(index=stream, operations=lines, filter_path="errors,items.*.error")
    assert not answer["errors"], answer["items"][0]


def settle(es: Elasticsearch, stream: str) -> None:
    """Merge each index of a stream into one segment and let it refresh again."""
    es.indices.put_settings(index=stream, settings=_LOADED)
    es.indices.forcemerge(index=stream, max_num_segments=1)
    es.indices.refresh(index=stream)
