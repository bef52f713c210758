"""Which backing indices a look-up names, and when it names none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from elasticsearch import Elasticsearch

from anthropic_metrics.elastic.backing_indices import LONGEST, BackingIndices
from anthropic_metrics.kernel.ranges import Range

START, DAY = datetime(2026, 1, 1, tzinfo=UTC), timedelta(days=1)


class Days:
    """A stream whose backing indices have a day each."""

    def __init__(self, stream: str, days: int) -> None:
        self.names = [f".ds-{stream}-2026.01.01-{day + 1:06}" for day in range(days)]
        self.indices = SimpleNamespace(
            get_settings=lambda **_: {name: {"settings": {"index": {"uuid": name}}} for name in self.names},
            refresh=lambda **_: {"_shards": {"failed": 0}},
        )

    def msearch(self, *, index: str, searches: list[dict[str, Any]]) -> dict[str, Any]:
        return {"responses": [self._answer(part["index"]) for part in searches[::2]]}

    def _answer(self, name: str) -> dict[str, Any]:
        at = (START + self.names.index(name) * DAY).timestamp() * 1000
        times = {"first": {"value": at}, "last": {"value": at}}
        return {"timed_out": False, "_shards": {"failed": 0}, "aggregations": times}

    def holding(self, days: int) -> str | None:
        """Where the first so many days are looked up."""
        es = cast("Elasticsearch", self)
        return BackingIndices(es).holding("stream", Range(START, START + days * DAY))


def test_more_names_than_the_first_line_of_a_request_takes_are_not_listed() -> None:
    """The longest namespace has 100 characters."""
    stream = Days("metrics-anthropic_metrics.usage_by_api_key-" + "n" * 100, days=80)
    few = stream.holding(15)
    assert few == ",".join((*stream.names[:15], *stream.names[-2:]))
    assert len(few) <= LONGEST
    assert stream.holding(30) is None
