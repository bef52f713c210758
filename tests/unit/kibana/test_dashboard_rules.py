"""Rules that no Kibana is needed to check, over every panel; a failure names the panel and its rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from anthropic_metrics.kibana.bundle import FILE, ndjson
from anthropic_metrics.kibana.definitions import (
    WIDTH,
    Text,
    kibana_folder,
    load_bundle,
)
from anthropic_metrics.kibana.lens import GREEN, RED, YELLOW
from tests.harness.esql_columns import commands

BUNDLE = load_bundle()
OBJECTS = [json.loads(line) for line in (kibana_folder() / FILE).read_text("utf-8").splitlines()]
DASHBOARDS = [each for each in OBJECTS if each["type"] == "dashboard"]
# The attributes of 8.17; it refuses an object with any other.
ATTRIBUTES = {
    *(
        "title",
        "description",
        "kibanaSavedObjectMeta",
        "timeRestore",
        "timeFrom",
        "timeTo",
        "refreshInterval",
    ),
    *("controlGroupInput", "panelsJSON", "optionsJSON", "hits", "version"),
}
# Keys of later forms, which 8.17 misreads.
LATER = {"pinned_panels", "splitAccessors", "sections", "sectionId", "drilldowns", "primaryAlign", "content"}


def lens_panels() -> Iterator[Any]:
    for saved in DASHBOARDS:
        for panel in json.loads(saved["attributes"]["panelsJSON"]):
            if panel["type"] == "lens":
                yield pytest.param(panel, id=f"{saved['attributes']['title']}: {panel['title']}")


each_dashboard = pytest.mark.parametrize("saved", DASHBOARDS, ids=lambda each: each["attributes"]["title"])
each_lens = pytest.mark.parametrize("lens", list(lens_panels()))


def layer_of(lens: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    ((name, layer),) = state_of(lens)["datasourceStates"]["textBased"]["layers"].items()
    return name, layer


def state_of(lens: dict[str, Any]) -> dict[str, Any]:
    state: dict[str, Any] = lens["embeddableConfig"]["attributes"]["state"]
    return state


def keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for each in value.values():
            yield from keys(each)
    elif isinstance(value, list):
        for each in value:
            yield from keys(each)


def test_the_ndjson_is_what_the_definitions_say() -> None:
    assert (kibana_folder() / FILE).read_text("utf-8") == ndjson(BUNDLE)


def test_ids_are_fixed_prefixed_and_unique() -> None:
    ids = [each["id"] for each in OBJECTS]
    assert len(set(ids)) == len(ids)
    assert all(id_.startswith("anthropic-metrics") for id_ in ids)
    assert ids[:5] == [
        "anthropic-metrics",
        "anthropic-metrics-overview",
        "anthropic-metrics-spend",
        "anthropic-metrics-tokens",
        "anthropic-metrics-cost",
    ]


def test_every_object_says_its_versions_in_the_oldest_form() -> None:
    for saved in OBJECTS:
        assert saved["coreMigrationVersion"] == "8.8.0"
        assert (
            saved["typeMigrationVersion"] == {"dashboard": "10.2.0", "index-pattern": "8.0.0"}[saved["type"]]
        )


@each_dashboard
def test_a_dashboard_has_the_attributes_of_the_oldest_form_and_none_of_later_ones(
    saved: dict[str, Any],
) -> None:
    assert saved["attributes"].keys() <= ATTRIBUTES
    parsed = json.loads(saved["attributes"]["panelsJSON"])
    controls = json.loads(saved["attributes"]["controlGroupInput"]["panelsJSON"])
    assert LATER.isdisjoint([*keys(parsed), *keys(controls), *keys(saved)])
    assert {panel["type"] for panel in parsed} <= {"lens", "links", "visualization"}


@each_dashboard
def test_text_members_hold_json(saved: dict[str, Any]) -> None:
    attributes = saved["attributes"]
    group = attributes["controlGroupInput"]
    for text in (
        attributes["optionsJSON"],
        attributes["kibanaSavedObjectMeta"]["searchSourceJSON"],
        group["panelsJSON"],
        group["ignoreParentSettingsJSON"],
    ):
        assert isinstance(json.loads(text), dict)


@each_dashboard
def test_panels_have_ids_of_their_own_and_do_not_overlap(saved: dict[str, Any]) -> None:
    taken: dict[tuple[int, int], str] = {}
    placed = json.loads(saved["attributes"]["panelsJSON"])
    assert len({panel["panelIndex"] for panel in placed}) == len(placed)
    for panel in placed:
        place = panel["gridData"]
        assert place["i"] == panel["panelIndex"]
        assert place["w"] > 0
        assert place["h"] > 0
        assert place["x"] + place["w"] <= WIDTH
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert taken.setdefault((x, y), place["i"]) == place["i"], f"{place['i']} overlaps"


@each_dashboard
def test_every_reference_is_used_and_every_use_has_its_reference(saved: dict[str, Any]) -> None:
    references = {each["name"]: (each["type"], each["id"]) for each in saved["references"]}
    used: dict[str, tuple[str, str]] = {}
    (navigation,) = (p for p in json.loads(saved["attributes"]["panelsJSON"]) if p["type"] == "links")
    for link in navigation["embeddableConfig"]["attributes"]["links"]:
        used[f"{navigation['panelIndex']}:{link['destinationRefName']}"] = (
            "dashboard",
            f"anthropic-metrics-{link['id']}",
        )
    for name, control in json.loads(saved["attributes"]["controlGroupInput"]["panelsJSON"]).items():
        used[f"controlGroup_{name}:optionsListDataView"] = (
            "index-pattern",
            control["explicitInput"]["dataViewId"],
        )
    assert used == references
    assert {id_ for _, id_ in references.values()} <= {each["id"] for each in OBJECTS}


@each_dashboard
def test_every_dashboard_links_to_all_and_takes_choices_only_where_they_are_offered(
    saved: dict[str, Any],
) -> None:
    here = next(each for each in BUNDLE.dashboards if each.id == saved["id"])
    (navigation,) = (p for p in json.loads(saved["attributes"]["panelsJSON"]) if p["type"] == "links")
    links = navigation["embeddableConfig"]["attributes"]["links"]
    assert [link["label"] for link in links] == [each.title for each in BUNDLE.dashboards]
    for link, target in zip(links, BUNDLE.dashboards, strict=True):
        assert link["options"]["useCurrentDateRange"] is True
        assert link["options"]["useCurrentFilters"] is (set(here.controls) <= set(target.controls))


@each_dashboard
def test_a_control_is_a_plain_options_list(saved: dict[str, Any]) -> None:
    controls = json.loads(saved["attributes"]["controlGroupInput"]["panelsJSON"])
    # Both layouts of traces share no field that a choice could filter.
    assert bool(controls) is (saved["id"] != "anthropic-metrics-requests")
    assert [each["order"] for each in controls.values()] == list(range(len(controls)))
    for name, control in controls.items():
        assert control["type"] == "optionsListControl"
        assert control["explicitInput"]["id"] == name
        assert control["explicitInput"]["selectedOptions"] == []


@each_lens
def test_a_layer_obeys_the_time_picker(lens: dict[str, Any]) -> None:
    _, layer = layer_of(lens)
    assert layer["timeField"] == "@timestamp"
    assert state_of(lens)["adHocDataViews"][layer["index"]]["timeFieldName"] == "@timestamp"


@each_lens
def test_a_layer_reads_the_data_view_of_its_query(lens: dict[str, Any]) -> None:
    name, layer = layer_of(lens)
    state = state_of(lens)
    (command, source), *_ = commands(layer["query"]["esql"])
    assert command == "FROM"
    assert state["adHocDataViews"][layer["index"]]["title"] == "".join(source.split())
    assert state["query"] == layer["query"]
    assert [each["id"] for each in state["internalReferences"]] == [layer["index"]]
    assert state["internalReferences"][0]["name"].endswith(name)


@each_lens
def test_every_accessor_is_a_column_and_every_column_has_a_type(lens: dict[str, Any]) -> None:
    name, layer = layer_of(lens)
    columns = {column["columnId"] for column in layer["columns"]}
    assert all(column["meta"]["type"] in {"number", "string", "date"} for column in layer["columns"])
    visualization = state_of(lens)["visualization"]
    layers = visualization.get("layers", [visualization])
    assert [each["layerId"] for each in layers] == [name]
    assert set(accessors(layers[0])) <= columns
    assert set(accessors(layers[0]))


def accessors(layer: dict[str, Any]) -> Iterator[str]:
    for key, value in layer.items():
        if key == "accessors":
            yield from value
        elif key.endswith(("Accessor", "AccessorId")):
            yield value
        elif key == "columns":
            yield from (column["columnId"] for column in value)


@each_lens
def test_numbers_are_drawn_from_number_columns(lens: dict[str, Any]) -> None:
    _, layer = layer_of(lens)
    types = {column["columnId"]: column["meta"]["type"] for column in layer["columns"]}
    visualization = state_of(lens)["visualization"]
    drawn = [visualization.get(key) for key in ("metricAccessor", "secondaryMetricAccessor", "valueAccessor")]
    drawn += [each for one in visualization.get("layers", []) for each in one["accessors"]]
    assert {types[name] for name in drawn if name} <= {"number"}


def kibana_color(palette: dict[str, Any], value: float) -> str:
    """The colour that Kibana gives a metric: the last stop that the value reaches, else the first colour."""
    reached = [each["color"] for each in palette["params"]["colorStops"] if value >= each["stop"]]
    return str((reached or [palette["params"]["colorStops"][0]["color"]])[-1])


@each_lens
def test_a_metric_tile_without_a_row_is_never_coloured_good(lens: dict[str, Any]) -> None:
    palette = state_of(lens)["visualization"].get("palette")
    if palette is not None:
        assert kibana_color(palette, float("nan")) not in {GREEN, YELLOW, RED}
        assert kibana_color(palette, 0) == GREEN


@each_lens
def test_a_table_has_no_dates_that_a_time_zone_moves_and_no_columns_that_move(lens: dict[str, Any]) -> None:
    if lens["embeddableConfig"]["attributes"]["visualizationType"] == "lnsDatatable":
        _, layer = layer_of(lens)
        assert {column["meta"]["type"] for column in layer["columns"]} <= {"string", "number"}
        assert not any("inMetricDimension" in column for column in layer["columns"])


@each_lens
def test_a_chart_over_time_says_whose_time_zone_its_axis_has(lens: dict[str, Any]) -> None:
    attributes, (_, layer) = lens["embeddableConfig"]["attributes"], layer_of(lens)
    timed = any(column["meta"]["type"] == "date" for column in layer["columns"])
    if attributes["visualizationType"] == "lnsXY":
        assert ("time zone" in attributes["description"]) is timed


@each_lens
def test_the_axes_of_a_heatmap_are_sorted(lens: dict[str, Any]) -> None:
    if lens["embeddableConfig"]["attributes"]["visualizationType"] == "lnsHeatmap":
        grid = state_of(lens)["visualization"]["gridConfig"]
        assert (grid["xSortPredicate"], grid["ySortPredicate"]) == ("asc", "asc")


def test_titles_are_short_and_said_once_a_dashboard() -> None:
    for dashboard in BUNDLE.dashboards:
        titles = [
            panel.title for row in dashboard.rows for panel in row.panels if not isinstance(panel, Text)
        ]
        assert len(set(titles)) == len(titles)
        assert all(len(title) <= 60 for title in titles)


def test_rows_fill_the_grid() -> None:
    for dashboard in BUNDLE.dashboards:
        for row in dashboard.rows:
            left, width, _ = list(row.placed())[-1]
            assert left + width == WIDTH, f"{dashboard.name}: {row.panels[0].title}"
