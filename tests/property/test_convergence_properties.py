"""Whatever the order and the interleaving of passes: the same documents in the end."""

from __future__ import annotations

from datetime import timedelta
from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_metrics.elastic.diff import Copy, diff
from anthropic_metrics.kernel.ranges import WIDTHS, Range, floor
from tests.harness.memory_streams import INDEX, NOW, MemoryStreams, Store, document, small_wire, writes
from tests.harness.view_pollers import history, keep, pollers

HOUR = timedelta(hours=1)
IDS = st.sampled_from("abcdef")
CONTENTS = st.dictionaries(IDS, st.sampled_from("xyz"))


@settings(max_examples=25, deadline=None)
@given(
    passes=st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(0, 90), st.booleans(), st.booleans()),
        max_size=6,
    )
)
def test_any_passes_over_any_overlapping_windows_end_in_the_same_documents(
    passes: list[tuple[float, float, int, bool, bool]],
) -> None:
    wire = small_wire(NOW, arrivals="late", revisions="heavy")
    for number in range(3):
        streams, poller = MemoryStreams(), pollers(wire)[number]
        wire.clock.set(NOW)
        for first, second, minutes, verify, restarted in passes:
            whole, step = history(poller, wire), WIDTHS[poller.view.width]
            length = whole.end - whole.start
            edges = sorted(floor(whole.start + length * share, step) for share in (first, second))
            keep(poller, streams, Range(edges[0], edges[1] + step), verify=verify)
            wire.clock.advance(timedelta(minutes=minutes))
            if restarted:
                poller = pollers(wire)[number]
        for _ in range(2):
            wire.clock.advance(HOUR)
            keep(poller, streams, history(poller, wire))
        clean, start = MemoryStreams(), history(poller, wire).start.isoformat()
        keep(pollers(wire)[number], clean, history(poller, wire))
        held = {
            id_: copy.hash
            for id_, (copy, source) in streams.store.copies.items()
            if copy.missing_since is None and source["@timestamp"] >= start.replace("+00:00", "Z")
        }
        assert held == clean.store.says()


@settings(max_examples=300, deadline=None)
@given(
    wanted=CONTENTS,
    held=st.lists(
        st.tuples(IDS, st.sampled_from("xyz"), st.integers(1, 3), st.none() | st.integers(-900, 900))
    ),
)
def test_after_a_difference_is_applied_nothing_differs(
    wanted: dict[str, str], held: list[tuple[str, str, int, int | None]]
) -> None:
    documents = [document(id_, says, NOW) for id_, says in wanted.items()]
    numbers, copies = count(1), {}
    for id_, says, generation, age in held:
        since = None if age is None else NOW - timedelta(seconds=age)
        index = f".ds-stream-2026.11.20-{generation:06}"
        copies[id_, index] = Copy(id_, index, next(numbers), 1, says, since)

    found = diff(documents, copies.values(), now=NOW, confirm_after=timedelta(minutes=5))
    for gone in [*found.extra, *found.delete]:
        del copies[gone.id, gone.backing_index]
    for new, old in found.replace:
        copies[new.id, old.backing_index] = Copy(new.id, old.backing_index, next(numbers), 1, new.hash)
    for new in found.create:
        copies[new.id, INDEX] = Copy(new.id, INDEX, next(numbers), 1, new.hash)
    for old in found.mark:
        copies[old.id, old.backing_index] = Copy(old.id, old.backing_index, next(numbers), 1, old.hash, NOW)

    again = diff(documents, copies.values(), now=NOW, confirm_after=timedelta(minutes=5))
    assert not again
    assert len(copies) == len({id_ for id_, _ in copies})
    later = diff(documents, copies.values(), now=NOW + timedelta(days=1), confirm_after=timedelta(minutes=5))
    assert {copy.id for copy in later.delete} == {copy.id for copy in copies.values()} - wanted.keys()


@settings(max_examples=300, deadline=None)
@given(
    looks=st.lists(st.tuples(CONTENTS, CONTENTS, st.lists(st.booleans())), max_size=4),
    final=CONTENTS,
    order=st.lists(st.booleans()),
)
def test_writes_of_two_agents_in_any_order_converge(
    looks: list[tuple[dict[str, str], dict[str, str], list[bool]]], final: dict[str, str], order: list[bool]
) -> None:
    """Each agent compares, both write in turns, some of it too late; then both see the final answer."""
    store, now, interval = Store(), NOW, timedelta(minutes=5)
    after_that = [(final, final, order)] * 3 + [(final, {}, [])]
    for one, other, turns in looks + after_that:
        now += interval
        answers = [one, other] if other or one != final else [one]
        plans = []
        for answer in answers:
            documents = [document(id_, says, NOW) for id_, says in answer.items()]
            found = diff(documents, store.held(), now=now, confirm_after=interval)
            plans.append(list(writes(found, store, now)))
        for turn in turns:
            plan = plans[turn % len(plans)]
            if plan:
                plan.pop(0)()
        for plan in plans:
            for write in plan:
                write()
    assert store.says() == final
    assert len(store.copies) == len(final)
