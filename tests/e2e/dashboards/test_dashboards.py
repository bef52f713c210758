"""Every panel's query on a real Elasticsearch: it runs, it is never empty, and rankings are the truth.

The choices go as a filter beside the query, as Kibana sends them. What each dashboard shows is compared with
the simulation's own rows in a module of its own.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.kibana.ask import ask, since
from anthropic_metrics.kibana.definitions import Metric
from tests.harness.dashboard_truth import DAY, by
from tests.harness.dashboard_world import CHOICES, NOW, PANELS, TOKEN_CHOICES, asked, assert_equal, expected
from tests.harness.world import World

NUMBERS = {"long", "integer", "double"}
TYPES = {"number": NUMBERS, "date": {"date"}, "string": {"keyword"}}
each_panel = pytest.mark.parametrize("name", PANELS)


@each_panel
def test_a_panel_has_data_in_columns_of_the_types_it_draws(filled: World, name: str) -> None:
    dashboard, panel = PANELS[name]
    found = ask(
        filled.es,
        panel.query,
        since(dashboard.range, NOW),
        NOW,
        namespace=filled.config.namespace,
    )
    assert set(found.columns) == set(panel.columns)
    for column, type_ in zip(found.columns, found.types, strict=True):
        assert type_ in TYPES[panel.columns[column].type], column
    assert found.rows
    if name == "agent: Grains of usage that disagree":
        assert found.records() == [{"failed": None, "checks": 0}], "this world compares no grains"
        return
    for accessor in panel.accessors():
        assert any(record[accessor] is not None for record in found.records()), accessor


@each_panel
def test_a_range_without_data_shows_nothing_or_zero_and_no_error(filled: World, name: str) -> None:
    dashboard, panel = PANELS[name]
    long_ago = datetime(2020, 5, 6, 7, 8, tzinfo=UTC)
    found = ask(
        filled.es, panel.query, since(dashboard.range, long_ago), long_ago, namespace=filled.config.namespace
    )
    assert set(found.columns) == set(panel.columns)
    if isinstance(panel, Metric):
        value = found.records()[0][panel.value]
        if panel.steps:
            assert value is None or value >= panel.steps[-1], "no data must not look good"
        else:
            unknown = (
                *("Least headroom, % of a limit", "Month end at the week's rate, USD", "Edits accepted"),
                *("95th percentile of latency, s", "Tokens in spans, % of usage"),
            )
            assert value == 0 or (value is None and panel.title in unknown)
    else:
        assert not found.rows


@each_panel
def test_a_stream_that_no_document_has_made_yet_is_no_error(es: Elasticsearch, name: str) -> None:
    _, panel = PANELS[name]
    found = ask(es, panel.query, NOW - DAY, NOW, namespace="nobody")
    assert found.rows == ()
    own = [name for name in panel.pattern.split(",") if name.startswith("metrics-")]
    assert set(found.missing) == {name.replace("-*", "-nobody") for name in own}


# Panel: rows of the truth, their column, what is summed.
RANKINGS: dict[str, tuple[str, str, str]] = {
    "overview: Top models by spend, USD": ("costs", "shown_model", "usd"),
    "overview: Top workspaces by spend, USD": ("costs", "workspace", "usd"),
    "cost: Spend by workspace, USD": ("costs", "workspace", "usd"),
    "cost: Spend by model, USD": ("costs", "shown_model", "usd"),
    "cost: Spend by token type, USD": ("costs", "token_type", "usd"),
    "cost: Spend by cost type, USD": ("costs", "cost_type", "usd"),
    "cost: Spend by service tier, USD": ("costs", "tier", "usd"),
    "cost: Spend by context window, USD": ("costs", "window", "usd"),
    "cost: Spend by inference region, USD": ("costs", "region", "usd"),
    "tokens: Tokens by service tier": ("usage", "tier", "tokens"),
    "tokens: Tokens by inference region": ("usage", "region", "tokens"),
    "tokens: Tokens by workspace": ("usage", "workspace", "input"),
    "tokens: Tokens by API key": ("usage", "key", "input"),
}


@pytest.mark.parametrize(
    ("name", "chosen"),
    [
        pytest.param(name, chosen, id=f"{name}-{label}")
        for name in RANKINGS
        for label, chosen in (TOKEN_CHOICES if name.startswith("tokens: ") else CHOICES).items()
    ],
)
def test_a_ranking_is_the_sum_of_each_and_the_largest_first(
    filled: World, name: str, chosen: dict[str, list[str]]
) -> None:
    rows, column, value = RANKINGS[name]
    panel: Any = PANELS[name][1]
    t = getattr(expected(filled, name, chosen), rows)
    wanted = by(t, [column], value)
    records = asked(filled, name, chosen).records()
    found = {record[panel.x]: record[panel.y[0]] for record in records}
    assert_equal(found, {key: wanted[key] for key in found})
    assert len(found) == min(len(wanted), int(panel.query.rpartition("LIMIT ")[2].split()[0]))
    drawn = [sum(record[y] for y in panel.y) for record in records]
    assert drawn == sorted(drawn, reverse=True)


# Elastic's own dashboards ask for these.
ELASTIC = {
    "usage": (
        *("model", "workspace_id", "service_tier", "uncached_input_tokens", "cached_input_tokens"),
        *("cache_creation_input_tokens", "output_tokens"),
    ),
    "cost": ("amount", "currency", "description", "inference_geo", "model", "workspace_id"),
    "rate_limit": (
        *("group_type", "models", "requests_per_minute", "input_tokens_per_minute_cache_aware"),
        "output_tokens_per_minute",
    ),
}


@pytest.mark.parametrize("dataset", ELASTIC)
def test_what_elastic_s_dashboards_ask_for_is_there_with_values(filled: World, dataset: str) -> None:
    for field in (
        "@timestamp",
        "data_stream.dataset",
        *(f"anthropic.{dataset}.{f}" for f in ELASTIC[dataset]),
    ):
        found = filled.es.count(index=filled.stream(dataset), query={"exists": {"field": field}})
        assert found["count"] > 0, field
