"""Arbitrary JSON in place of an answer: no crash, no deletion, no document that the models would refuse."""

from __future__ import annotations

import contextlib
import json
import math
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_metrics.documents.cost import CostDocument
from anthropic_metrics.documents.usage import UsageDocument
from anthropic_metrics.errors import MetricsError
from anthropic_metrics.kernel.ranges import WIDTHS, Range
from anthropic_metrics.reports.poller import ViewPoller
from tests.harness.memory_streams import MemoryStreams, Wire, small_wire
from tests.harness.view_pollers import connected, history, keep, pollers

NOW = datetime.fromisoformat("2026-11-20T02:42:10+00:00")
HOUR = timedelta(hours=1)
EXAMPLES = 10_000
LARGEST = 2**63 - 1  # Elasticsearch's long
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**63 - 1, 2**63, 10**40, 1.5, 1e308, "", "x", "12.5", "-3", "1e9", "NaN",
    "2026-11-20T01:00:00Z", "2026-11-20T02:00:00Z", "2026-11-20T01:00:00+05:00", "2026-13-45T99:00:00Z",
    "\x00\ud7ff\U0001f4a9", "a" * 40_000, [], {}, [[]], [{}], {"a": {"b": []}}, [None], ["x"] * 50,
)  # fmt: skip
BYTES = (b"", b"[", b"null", b"\xff\xfe", b'"', b"{}", b"1e999", b"NaN", b"}")
MUTATIONS = st.lists(st.integers(0, 2**32), min_size=1, max_size=4)


def mutated(body: bytes, numbers: list[int]) -> bytes:
    """The answer with something replaced, dropped, doubled, moved or broken for every number."""
    text = body
    for number in numbers:
        rng = Random(number)
        try:
            tree = json.loads(text)
        except ValueError:
            return text
        if rng.random() < 0.06:
            cut = rng.randrange(len(text) + 1)
            text = text[:cut] + rng.choice(BYTES) + text[cut + rng.randrange(20) :]
            continue
        tree = _changed(tree, rng)
        text = json.dumps(tree).encode()
    return text


def _changed(tree: Any, rng: Random) -> Any:
    """Something somewhere in the tree is another value."""
    here, way = tree, []
    while isinstance(here, dict | list) and here and rng.random() < 0.9:
        key = rng.choice(list(here)) if isinstance(here, dict) else rng.randrange(len(here))
        way.append((here, key))
        here = here[key]
    if not way:
        return rng.choice(VALUES)
    parent, key = way[-1]
    action = rng.randrange(6)
    if action == 0:
        del parent[key]
    elif action == 1 and isinstance(parent, list):
        parent.insert(rng.randrange(len(parent) + 1), parent[key])
    elif action == 2 and isinstance(parent, list):
        rng.shuffle(parent)
    elif action == 3 and isinstance(parent, dict):
        parent[rng.choice(("x", "model", "results", "data", "next_page"))] = parent[key]
    else:
        parent[key] = rng.choice(VALUES)
    return tree


class World:
    """Streams that are equal to the truth, and pollers that get a mutated answer."""

    def __init__(self) -> None:
        self.wire: Wire = small_wire(NOW, arrivals="late", revisions="heavy")
        self.wire.clock.set(NOW)
        self.streams = [MemoryStreams() for _ in range(3)]
        self.connected = connected(self.wire)
        for poller, streams in zip(self.pollers(), self.streams, strict=True):
            keep(poller, streams, history(poller, self.wire))

    def pollers(self) -> list[ViewPoller]:
        return pollers(self.wire, self.connected)


@pytest.fixture(scope="module")
def filled() -> World:
    return World()


@settings(max_examples=EXAMPLES, deadline=None, database=None)
@given(numbers=MUTATIONS, which=st.integers(0, 2))
def test_arbitrary_json_never_crashes_never_deletes_never_writes_nonsense(
    filled: World, numbers: list[int], which: int
) -> None:
    wire, streams = filled.wire, filled.streams[which]
    before = streams.store.copies
    streams.store.copies = dict(before)
    streams.store.written.clear()
    wire.change = lambda body: mutated(body, numbers)
    poller = filled.pollers()[which]
    whole = history(poller, wire)
    try:
        keep(poller, streams, Range(whole.end - 2 * WIDTHS[poller.view.width], whole.end))
    except MetricsError:
        pass
    finally:
        wire.change = None
        after, streams.store.copies = streams.store.copies, before
    assert not streams.store.deleted
    assert before.keys() <= after.keys()
    model = CostDocument if poller.view.poller == "cost" else UsageDocument
    for source in streams.store.written:
        model.model_validate(source)
        assert all(_fits(number) for number in _numbers(source))
        json.dumps(source, allow_nan=False).encode()


@settings(max_examples=60, deadline=None, database=None)
@given(numbers=st.lists(MUTATIONS, min_size=1, max_size=3), which=st.integers(0, 2))
def test_after_any_answers_true_ones_bring_the_true_documents_back(
    filled: World, numbers: list[list[int]], which: int
) -> None:
    wire, poller = filled.wire, filled.pollers()[which]
    streams = MemoryStreams()
    for each in numbers:
        wire.change = lambda body, each=each: mutated(body, each)
        with contextlib.suppress(MetricsError):
            keep(poller, streams, history(poller, wire))
        wire.clock.advance(poller.view.interval)
    wire.change = None
    try:
        for _ in range(2):
            keep(poller, streams, history(poller, wire))
            wire.clock.advance(HOUR)
        wire.clock.advance(-HOUR)
        clean = MemoryStreams()
        keep(filled.pollers()[which], clean, history(poller, wire))
        start = history(poller, wire).start.strftime("%Y-%m-%dT%H:%M:%SZ")
        held = {
            id_: copy.hash
            for id_, (copy, source) in streams.store.copies.items()
            if copy.missing_since is None and source["@timestamp"] >= start
        }
        assert held == clean.store.says()
    finally:
        wire.clock.set(NOW)


def _fits(number: float) -> bool:
    """As a long, if it is whole, or as a double."""
    return abs(number) <= LARGEST if isinstance(number, int) else math.isfinite(number)


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for each in value.values() for number in _numbers(each)]
    if isinstance(value, list):
        return [number for each in value for number in _numbers(each)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []
