"""Rules over the query of every panel that no Kibana is needed to check; a failure names the panel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from anthropic_metrics.documents.mapping import fields
from anthropic_metrics.kibana.definitions import (
    Dashboard,
    Metric,
    Queried,
    load_bundle,
)
from anthropic_metrics.streams.registry import STREAMS
from anthropic_metrics.telemetry import spans
from anthropic_metrics.telemetry.spans import IS_CALL, SOURCES
from tests.harness.esql_columns import (
    COMMANDS,
    FUNCTIONS,
    RESERVED,
    commands,
    functions,
    groups,
    output_columns,
    split,
)

BUNDLE = load_bundle()
FIELDS: dict[str, set[str]] = {
    **{stream.name("*"): {leaf.name for leaf in fields(stream.document)} for stream in STREAMS},
    **{pattern: set(spans.FIELDS) for pattern in SOURCES.split(", ")},
}


def panels() -> Iterator[Any]:
    for dashboard in BUNDLE.dashboards:
        for panel in dashboard.queried():
            yield pytest.param(dashboard, panel, id=f"{dashboard.name}: {panel.title}")


each_panel = pytest.mark.parametrize(("dashboard", "panel"), list(panels()))


@each_panel
def test_every_panel_reads_only_documents_of_this_agent(dashboard: Dashboard, panel: Queried) -> None:
    own = 'agent.name == "anthropic-metrics"'
    traced = {IS_CALL, f"{own} OR {IS_CALL}"} if SOURCES in panel.query else set()
    command, text = commands(panel.query)[1]
    assert command == "WHERE"
    assert text in traced | ({own} if not traced else set())


@each_panel
def test_the_columns_are_exactly_what_the_query_puts_out(dashboard: Dashboard, panel: Queried) -> None:
    assert set(output_columns(panel.query) or ()) == set(panel.columns)


@each_panel
def test_the_query_is_written_in_what_the_oldest_version_has(dashboard: Dashboard, panel: Queried) -> None:
    assert {name for name, _ in commands(panel.query)} <= COMMANDS
    assert functions(panel.query) <= FUNCTIONS
    named = set(re.findall(r"(?:^|[,\s])(\w+)\s*=(?!=)", panel.query))
    assert named.isdisjoint(RESERVED)


@each_panel
def test_bounds_of_the_range_come_in_pairs(dashboard: Dashboard, panel: Queried) -> None:
    assert ("?_tstart" in panel.query) == ("?_tend" in panel.query)
    assert set(re.findall(r"\?\w+", panel.query)) <= {"?_tstart", "?_tend"}


@each_panel
def test_a_query_that_groups_is_bounded_and_sorted_first(dashboard: Dashboard, panel: Queried) -> None:
    if isinstance(panel, Metric):
        return
    names = [name for name, _ in commands(panel.query)]
    assert "SORT" in names
    assert "LIMIT" in names
    assert names.index("SORT") < names.index("LIMIT")
    assert int(dict(commands(panel.query))["LIMIT"]) <= 10_000


# Lists put together by month and taken apart again: (month, these) names a row.
OF_A_MONTH = {
    "Cumulative spend of each month, USD": ["month", "day"],
    "Invoice reconciliation by UTC month and line item, USD": [
        "month",
        "anthropic.workspace.name",
        "anthropic.cost.description",
    ],
}


@each_panel
def test_rows_that_tie_have_one_order(dashboard: Dashboard, panel: Queried) -> None:
    """Else the order, and behind a LIMIT even the choice, changes from one call to the next."""
    texts = dict(commands(panel.query))
    if "SORT" not in texts:
        return
    by = {each.split()[0] for each in split(texts["SORT"], ",")}
    named = OF_A_MONTH.get(panel.title) or (groups(panel.query) if "STATS" in texts else ["event.hash"])
    assert set(named) <= by


def without_texts(query: str) -> str:
    return re.sub(r'"[^"]*"', '""', query)


@each_panel
def test_a_query_reads_only_fields_that_its_streams_have(dashboard: Dashboard, panel: Queried) -> None:
    known = {name for stream in panel.pattern.split(",") for name in FIELDS[stream]}
    read = set(
        re.findall(
            r"(?<![\w.])(?:anthropic|event|data_stream|organization|gen_ai|agent)\.[\w.]+",
            without_texts(panel.query),
        )
    )
    assert read <= known


@each_panel
def test_the_controls_filter_by_fields_that_every_stream_of_the_panel_has(
    dashboard: Dashboard, panel: Queried
) -> None:
    for control in dashboard.controls:
        for stream in panel.pattern.split(","):
            assert BUNDLE.controls[control].field in FIELDS[stream]
            # The cost report has no keys: a choice of one would empty the panel.
            assert not (control == "key" and stream.endswith("cost-*"))


@each_panel
def test_sums_never_mix_grains(dashboard: Dashboard, panel: Queried) -> None:
    streams = panel.pattern.split(",")
    grains = [stream for stream in streams if ".usage" in stream]
    assert len(grains) <= 1
    own = set(streams) - set(SOURCES.split(", "))
    assert all(re.fullmatch(r"metrics-anthropic_metrics\.\w+-\*", stream) for stream in own)


@each_panel
def test_money_is_dollars_only(dashboard: Dashboard, panel: Queried) -> None:
    """An amount in US dollars is what the agent says it is, however a server writes the code."""
    if "anthropic.cost.amount" not in without_texts(panel.query):
        return
    assert not re.search(r"cost\.currency\s*[=!<>]", panel.query)
    assert "USD" in panel.title
    assert not re.search(r"anthropic\.cost\.amount\b(?!_usd)", panel.query)


@each_panel
def test_a_share_is_a_quotient_of_sums_or_an_extreme_never_a_mean_of_shares(
    dashboard: Dashboard, panel: Queried
) -> None:
    assert "AVG(" not in panel.query
    for name, column in panel.columns.items():
        if column.format == "percent":
            quotient = rf"\b{name} = (CASE\([^,]+, )?\(?(TO_DOUBLE\()?\w+[ \w-]*\)? /"
            extreme = rf"\b{name} = (MAX|MIN)\([\w.]+_share\)"
            assert re.search(rf"{quotient}|{extreme}", panel.query), name


@each_panel
def test_months_and_days_are_cut_in_utc(dashboard: Dashboard, panel: Queried) -> None:
    assert not re.search(r"DATE_TRUNC\(1 (month|day), NOW\(\)", panel.query)
