"""What happens in the demo's organization while nobody polls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from elasticsearch import ConnectionTimeout, Elasticsearch

from anthropic_metrics.cli import demo_world
from anthropic_metrics.cli.demo_world import DAY, Delivery
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.simulator import RealClock, Simulation


def test_spans_that_could_not_be_delivered_are_delivered_with_the_next_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began = RealClock().now() - DAY
    taken: list[str] = []

    def deliver(_: Elasticsearch, stream: str, spans: Iterable[Mapping[str, Any]]) -> int:
        assert stream == "traces-generic.otel-default"
        first = next(iter(spans))["@timestamp"]
        if not taken:
            taken.append(first)
            raise ConnectionTimeout("too slow")
        taken.append(first)
        return 1

    monkeypatch.setattr(demo_world, "deliver", deliver)
    delivery = Delivery(Elasticsearch("http://127.0.0.1:9"), Simulation(RealClock(), days=2, series=3))
    with pytest.raises(RetryLater):
        delivery.catch_up()
    delivery.catch_up()
    assert taken[0] == taken[1]
    assert float(taken[0]) / 1000 >= began.timestamp() - 60
