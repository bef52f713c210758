"""The comparison: what it says for each case, and that it always converges."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import to_json

from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.diff import Copy, Diff, diff, milliseconds
from anthropic_metrics.errors import BrokenContract

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
HOUR = timedelta(hours=1)
OLD = ".ds-metrics-anthropic_metrics.usage-default-2026.02.01-000001"
NEW = ".ds-metrics-anthropic_metrics.usage-default-2026.02.20-000002"


def wanted(id_: str, digest: str = "h") -> Prepared:
    return Prepared(id_, digest, to_json({"id": id_, "says": digest}))


def copy(id_: str, digest: str | None = "h", index: str = OLD, since: datetime | None = None) -> Copy:
    return Copy(id_, index, 7, 1, digest, since)


def compare(
    wanted: Iterable[Prepared], held: Iterable[Copy], now: datetime = NOW, deletes: bool = True
) -> Diff:
    return diff(wanted, held, now=now, confirm_after=HOUR, deletes=deletes)


def test_a_document_that_is_not_held_is_created() -> None:
    assert compare([wanted("a")], []) == Diff(create=[wanted("a")])


def test_a_document_that_says_the_same_is_kept() -> None:
    result = compare([wanted("a")], [copy("a")])
    assert result == Diff(keep=1)
    assert not result


@pytest.mark.parametrize("held_hash", ["other", None])
def test_a_document_that_says_something_else_or_has_no_hash_is_replaced(held_hash: str | None) -> None:
    assert compare([wanted("a")], [copy("a", held_hash)]).replace == [(wanted("a"), copy("a", held_hash))]


def test_a_document_that_vanished_is_marked_first() -> None:
    assert compare([], [copy("a")]) == Diff(mark=[copy("a")])


def test_a_mark_younger_than_the_confirmation_waits() -> None:
    assert compare([], [copy("a", since=NOW - HOUR / 2)]) == Diff(waiting=1)


def test_a_mark_as_old_as_the_confirmation_is_deleted() -> None:
    held = copy("a", since=milliseconds(NOW) - HOUR)
    assert compare([], [held]) == Diff(delete=[held])


def test_a_fetch_never_confirms_its_own_mark_even_without_a_waiting_time() -> None:
    held = copy("a", since=milliseconds(NOW))
    assert diff([], [held], now=NOW, confirm_after=timedelta(0)) == Diff(waiting=1)


def test_a_mark_from_a_clock_far_ahead_is_made_anew() -> None:
    held = copy("a", since=NOW + 24 * HOUR)
    assert compare([], [held]) == Diff(mark=[held])


def test_a_marked_document_that_reappears_is_replaced_although_it_says_the_same() -> None:
    held = copy("a", since=NOW - 2 * HOUR)
    assert compare([wanted("a")], [held]) == Diff(replace=[(wanted("a"), held)])


def test_without_deletes_nothing_is_marked_or_deleted() -> None:
    assert not compare([], [copy("a"), copy("b", since=NOW - 2 * HOUR)], deletes=False)


@pytest.mark.parametrize("order", [(OLD, NEW), (NEW, OLD)])
def test_of_two_copies_the_one_in_the_newest_index_stays_whatever_is_wanted(order: tuple[str, str]) -> None:
    held = [copy("a", "old" if index == OLD else "new", index) for index in order]
    for digest in ("old", "new"):
        assert compare([wanted("a", digest)], held).extra == [copy("a", "old", OLD)]


def test_the_newest_index_is_found_by_generation_not_by_name() -> None:
    restored = "restored-" + NEW
    late = NEW.replace("000002", "1000000")
    result = compare([wanted("a")], [copy("a", index=late), copy("a", index=restored)])
    assert result == Diff(extra=[copy("a", index=restored)], keep=1)


def test_a_vanished_document_with_two_copies_loses_one_at_once_and_one_after_confirmation() -> None:
    assert compare([], [copy("a", index=OLD), copy("a", index=NEW)]) == Diff(
        mark=[copy("a", index=NEW)], extra=[copy("a", index=OLD)]
    )


def test_two_different_documents_under_one_id_are_refused() -> None:
    with pytest.raises(BrokenContract, match="share the id a"):
        compare([wanted("a", "x"), wanted("a", "y")], [])


def test_the_same_document_twice_counts_once() -> None:
    assert compare([wanted("a"), wanted("a")], []) == Diff(create=[wanted("a")])


# Properties: the stream is a dictionary of copies, a diff is applied to it as Elasticsearch would.

Store = dict[tuple[str, str], Copy]

IDS = st.sampled_from("abcdef")
WANTED = st.dictionaries(IDS, st.sampled_from("xyz")).map(lambda d: [wanted(i, h) for i, h in d.items()])
COPIES = st.builds(
    copy,
    IDS,
    st.sampled_from(["x", "y", "z", None]),
    st.sampled_from([OLD, NEW]),
    st.none() | st.sampled_from([NOW - 2 * HOUR, NOW - HOUR / 2, NOW + 24 * HOUR]),
)
STORES = st.lists(COPIES, unique_by=lambda c: (c.id, c.backing_index)).map(
    lambda cs: {(c.backing_index, c.id): c for c in cs}
)


def applied(store: Store, change: Diff, now: datetime) -> Store:
    """What the stream holds after a diff was written; a write under an old version does nothing."""
    result = dict(store)

    def put(held: Copy, new: Copy | None) -> None:
        key = (held.backing_index, held.id)
        if result.get(key) != held:
            return
        del result[key]
        if new:
            result[key] = new._replace(seq_no=held.seq_no + 1)

    for document in change.create:
        result.setdefault((NEW, document.id), copy(document.id, document.hash, NEW))
    for document, held in change.replace:
        put(held, held._replace(hash=document.hash, missing_since=None))
    for held in change.mark:
        put(held, held._replace(missing_since=milliseconds(now)))
    for held in [*change.delete, *change.extra]:
        put(held, None)
    return result


def hashes(documents: Iterable[Prepared | Copy]) -> dict[str, str | None]:
    return {document.id: document.hash for document in documents}


def contents(store: Store) -> dict[str, str | None]:
    unmarked = [held for held in store.values() if held.missing_since is None]
    assert len({held.id for held in unmarked}) == len(unmarked)
    return hashes(unmarked)


@given(WANTED, STORES)
def test_after_a_diff_is_applied_there_is_nothing_left_to_write(docs: list[Prepared], store: Store) -> None:
    after = applied(store, compare(docs, store.values()), NOW)
    assert not compare(docs, after.values())
    assert contents(after) == hashes(docs)


@given(WANTED, STORES)
def test_once_marks_are_confirmed_the_stream_holds_the_wanted_documents_and_nothing_else(
    docs: list[Prepared], store: Store
) -> None:
    for now in (NOW, NOW + HOUR):
        store = applied(store, compare(docs, store.values(), now), now)
    assert hashes(store.values()) == {document.id: document.hash for document in docs}
    assert len(store) == len(docs)


@given(WANTED, STORES, st.randoms())
def test_the_order_of_documents_and_copies_does_not_matter(
    docs: list[Prepared], store: Store, random: Random
) -> None:
    held = list(store.values())
    expected = applied(store, compare(docs, held), NOW)
    random.shuffle(docs)
    random.shuffle(held)
    assert applied(store, compare(docs, held), NOW) == expected


@given(STORES, st.lists(st.tuples(WANTED, st.integers(0, 3), st.booleans()), max_size=6), WANTED)
def test_two_agents_with_stale_looks_and_different_answers_converge_on_the_last_answer(
    store: Store, steps: list[tuple[list[Prepared], int, bool]], final: list[Prepared]
) -> None:
    """Each step compares an answer with the stream as it stood up to three writes ago, and writes."""
    history, now = [store], NOW
    for docs, staleness, deletes in steps:
        now += HOUR / 3
        seen = history[max(0, len(history) - 1 - staleness)]
        history.append(applied(history[-1], compare(docs, seen.values(), now, deletes), now))
    store = history[-1]
    for _ in range(3):
        now += 25 * HOUR
        store = applied(store, compare(final, store.values(), now), now)
    assert hashes(store.values()) == {document.id: document.hash for document in final}


@given(STORES, WANTED, WANTED)
def test_two_agents_that_want_different_contents_never_leave_a_document_without_a_copy(
    store: Store, one: list[Prepared], two: list[Prepared]
) -> None:
    """Both looked before either wrote."""
    both = {document.id for document in one} & {document.id for document in two}
    first, second = compare(one, store.values()), compare(two, store.values())
    after = applied(applied(store, first, NOW), second, NOW)
    assert both <= {held.id for held in after.values()}


@pytest.mark.parametrize(
    "difference",
    [
        Diff(create=[wanted("a")]),
        Diff(replace=[(wanted("a"), copy("a"))]),
        Diff(mark=[copy("a")]),
        Diff(delete=[copy("a")]),
        Diff(extra=[copy("a")]),
    ],
)
def test_each_kind_of_difference_alone_is_something_to_write(difference: Diff) -> None:
    assert difference


def test_without_deletions_a_vanished_document_neither_waits_nor_is_marked() -> None:
    assert compare([], [copy("a"), copy("b", since=NOW - HOUR / 2)], deletes=False) == Diff()


@pytest.mark.parametrize(
    ("microsecond", "shown"), [(123_000, 123_000), (123_456, 123_000), (999_999, 999_000)]
)
def test_a_time_is_cut_to_its_millisecond(microsecond: int, shown: int) -> None:
    assert milliseconds(NOW.replace(microsecond=microsecond)) == NOW.replace(microsecond=shown)


def test_a_copy_in_an_index_without_a_generation_is_the_older_one() -> None:
    assert compare([wanted("a")], [copy("a", index="restored-usage"), copy("a", index=OLD)]) == Diff(
        keep=1, extra=[copy("a", index="restored-usage")]
    )
