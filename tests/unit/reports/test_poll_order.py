"""A live poll and a sweep read the same buckets: what was asked for last stands in the stream."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anthropic_metrics.admin_api.client import Priority
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.outcome import Change, Outcome
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.poller import ViewPoller
from tests.harness.memory_streams import MemoryStreams
from tests.harness.report_samples import usage_row, view

HOUR = timedelta(hours=1)
NOW = datetime(2026, 11, 20, 12, 0, 1, tzinfo=UTC)
START, END = NOW.replace(hour=0, second=0), NOW.replace(hour=12, second=0)
EVERYTHING = Range(START, END)
RECENT = Range(END - 3 * HOUR, END)


def nothing() -> None:
    pass


@dataclass
class Api:
    """Hours with one row each, the recent ones of so many `tokens`, the others of one; `meanwhile` runs once,
    while a sweep's answer is under way."""

    tokens: int = 1
    meanwhile: Callable[[], object] = nothing

    def get(
        self,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        priority: Priority = Priority.LIVE,
        **_: Any,
    ) -> Mapping[str, Any]:
        if path.endswith("/me"):
            return {"id": "org-1", "name": "Acme"}
        if not path.endswith("/messages"):
            return {"data": [], "has_more": False}
        asked = dict(params)
        start, end = (datetime.fromisoformat(asked[name]) for name in ("starting_at", "ending_at"))
        data = [self._bucket(start + number * HOUR) for number in range((end - start) // HOUR)]
        if priority is Priority.BACKFILL:
            self.meanwhile, act = nothing, self.meanwhile
            act()
        return {"data": data, "has_more": False, "next_page": None}

    def _bucket(self, start: datetime) -> dict[str, Any]:
        count = self.tokens if start >= RECENT.start else 1
        row = usage_row(model="m", output_tokens=count).model_dump()
        return {"starting_at": start.isoformat(), "ending_at": (start + HOUR).isoformat(), "results": [row]}


@dataclass
class Streams(MemoryStreams):
    """Notes the replacements; `is_away` lets the next write fail; `meanwhile` runs once, before a look-up."""

    replaced: list[tuple[int, int]] = field(default_factory=list)
    is_away: bool = False
    meanwhile: Callable[[], object] = nothing

    def reconcile(self, stream: str, window: Range, documents: Any, **options: Any) -> Outcome:
        if self.is_away:
            self.is_away = False
            raise RetryLater("away")
        before = {id_: source for id_, (_, source) in self.store.copies.items()}
        wanted: list[Prepared] = list(documents)
        outcome = super().reconcile(stream, window, wanted, **options)
        changes = [
            Change(document.id, "", 0, before[document.id], document.source)
            for document in wanted
            if document.id in before and before[document.id] != document.source
        ]
        self.replaced += [(tokens(change.before), tokens(change.after or {})) for change in changes]
        return outcome

    def holds(self, *arguments: Any, **options: Any) -> int | None:
        self.meanwhile, act = nothing, self.meanwhile
        act()
        return super().holds(*arguments, **options)

    def said(self) -> dict[int, int]:
        """Tokens by the hour."""
        sources = [source for _, source in self.store.copies.values()]
        return {datetime.fromisoformat(source["@timestamp"]).hour: tokens(source) for source in sources}


def tokens(source: Mapping[str, Any]) -> int:
    count = source["anthropic"]["usage"]["output_tokens"]
    assert isinstance(count, int)
    return count


@dataclass
class Growing(Api):
    """Its figures grow from answer to answer, of which it gives one at a time."""

    def __post_init__(self) -> None:
        self._one_at_a_time = threading.Lock()

    def get(self, *arguments: Any, **options: Any) -> Mapping[str, Any]:
        with self._one_at_a_time:
            self.tokens += 1
            return super().get(*arguments, **options)


@dataclass
class Agent:
    api: Api = field(default_factory=Api)
    streams: Streams = field(default_factory=Streams)

    def __post_init__(self) -> None:
        client: Any = self.api
        self.poller = ViewPoller(view("usage"), client, Inventory(AdminDirectory(client)), clock=lambda: NOW)

    def poll(self, time_range: Range = RECENT) -> None:
        self._keep(time_range, Priority.LIVE)

    def sweep(self) -> None:
        self._keep(EVERYTHING, Priority.BACKFILL)

    def poll_of(self, tokens: int) -> Callable[[], object]:
        def act() -> None:
            self.api.tokens = tokens
            self.poll()

        return act

    def _keep(self, time_range: Range, priority: Priority) -> None:
        tally = Tally("usage", "")
        self.poller.keep(
            time_range,
            self.streams,
            tally,
            record=lambda _: None,
            priority=priority,
            verify=priority is Priority.BACKFILL,
        )


OLD, NEW = dict.fromkeys(range(9), 1), dict.fromkeys(range(9, 12), 2)


def test_a_sweep_leaves_buckets_alone_that_a_poll_asked_for_after_it_has_written() -> None:
    agent = Agent()
    agent.api.meanwhile = agent.poll_of(2)
    agent.sweep()
    assert agent.streams.said() == OLD | NEW


@pytest.mark.parametrize("first", [1, 2])
def test_a_figure_that_changed_once_is_replaced_once(first: int) -> None:
    """Whether or not the sweep reads what stands in the stream, which it then only compares."""
    agent = Agent(Api(first))
    agent.poll(EVERYTHING)
    agent.api.tokens = 1
    agent.api.meanwhile = agent.poll_of(3)
    agent.sweep()
    agent.api.tokens = 3
    agent.poll()
    assert agent.streams.said() == OLD | dict.fromkeys(NEW, 3)
    assert agent.streams.replaced.count((first, 3)) == 3
    assert (3, 1) not in agent.streams.replaced


def test_a_sweep_does_not_undo_what_a_later_poll_found_unchanged() -> None:
    agent = Agent(Api(2))
    agent.poll(EVERYTHING)
    agent.api.tokens = 1
    agent.api.meanwhile = agent.poll_of(2)
    agent.sweep()
    assert agent.streams.said() == OLD | NEW


def test_a_poll_that_comes_while_a_sweep_compares_is_not_undone() -> None:
    agent = Agent()
    agent.poll(EVERYTHING)
    agent.streams.meanwhile = agent.poll_of(2)
    agent.sweep()
    assert agent.streams.said() == OLD | NEW


def test_what_a_sweep_was_to_leave_alone_is_written_by_the_next_poll_where_the_later_one_failed() -> None:
    agent = Agent()

    def failing_poll() -> None:
        agent.streams.is_away = True
        with pytest.raises(RetryLater, match="away"):
            agent.poll_of(2)()

    agent.api.meanwhile = failing_poll
    agent.sweep()
    assert agent.streams.said() == OLD
    agent.poll()
    assert agent.streams.said() == OLD | NEW


def test_no_figure_goes_back_however_polls_and_sweeps_fall_together() -> None:
    agent = Agent(Growing())
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(2) as pool:
            passes = [pool.submit(act) for _ in range(100) for act in (agent.poll, agent.sweep)]
        for one in passes:
            one.result()
    finally:
        sys.setswitchinterval(interval)
    assert len(agent.streams.replaced) > 100
    assert all(before < after for before, after in agent.streams.replaced)
