"""`kibana/dashboards.ndjson`: the definitions as saved objects for Kibana 8.17 and every later version.

    python -m anthropic_metrics.kibana.bundle --write    after a change of a definition
    python -m anthropic_metrics.kibana.bundle --check    ends with 1 when the file is out of date

One file, because the dashboards link to each other.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from anthropic_metrics.kernel import datasets
from anthropic_metrics.kernel.datasets import template_name
from anthropic_metrics.kibana.definitions import (
    WIDTH,
    Bundle,
    Control,
    Dashboard,
    Text,
    kibana_folder,
    load_bundle,
)
from anthropic_metrics.kibana.lens import lens_state, text_state

FILE = "dashboards.ndjson"
DATA_VIEW = "anthropic-metrics"
PATTERN = template_name(f"{datasets.PREFIX}.*")
PREFIX = "[Anthropic Metrics] "
NAVIGATION = "navigation"
NAVIGATION_HEIGHT = 3
# The stored forms of 8.17. Newer Kibana reads them, older Kibana refuses newer ones; to leave a version out
# would run every old migration.
CORE_VERSION = "8.8.0"
DASHBOARD_VERSION = "10.2.0"
DATA_VIEW_VERSION = "8.0.0"

Body = dict[str, Any]


def saved_objects(bundle: Bundle) -> Iterator[Body]:
    """The data view of the controls, then every dashboard."""
    yield {
        "type": "index-pattern",
        "id": DATA_VIEW,
        "managed": False,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": DATA_VIEW_VERSION,
        "references": [],
        "attributes": {"title": PATTERN, "name": "Anthropic Metrics", "timeFieldName": "@timestamp"},
    }
    for dashboard in bundle.dashboards:
        yield _dashboard(bundle, dashboard)


def ndjson(bundle: Bundle) -> str:
    """One saved object a line."""
    return "".join(_json(saved) + "\n" for saved in saved_objects(bundle))


def _dashboard(bundle: Bundle, dashboard: Dashboard) -> Body:
    links = list(_links(bundle, dashboard))
    controls = {name: bundle.controls[name] for name in dashboard.controls}
    return {
        "type": "dashboard",
        "id": dashboard.id,
        "managed": False,
        "coreMigrationVersion": CORE_VERSION,
        "typeMigrationVersion": DASHBOARD_VERSION,
        "references": [
            *({"type": "dashboard", "id": id_, "name": f"{NAVIGATION}:{name}"} for id_, name, _ in links),
            *(
                {
                    "type": "index-pattern",
                    "id": DATA_VIEW,
                    "name": f"controlGroup_{name}:optionsListDataView",
                }
                for name in controls
            ),
        ],
        "attributes": {
            "title": PREFIX + dashboard.title,
            "description": dashboard.about,
            "timeRestore": True,
            "timeFrom": dashboard.range,
            "timeTo": "now",
            "refreshInterval": {"pause": True, "value": 60000},
            "version": 1,
            "optionsJSON": _json(
                {
                    "useMargins": True,
                    "syncColors": True,
                    "syncCursor": True,
                    "syncTooltips": False,
                    "hidePanelTitles": False,
                }
            ),
            "kibanaSavedObjectMeta": {
                "searchSourceJSON": _json({"query": {"query": "", "language": "kuery"}, "filter": []})
            },
            "controlGroupInput": _control_group(controls),
            "panelsJSON": _json([_navigation([body for *_, body in links]), *_panels(dashboard)]),
        },
    }


def _links(bundle: Bundle, here: Dashboard) -> Iterator[tuple[str, str, Body]]:
    """Target, reference name and link of each dashboard.

    A link takes the choices along only to a dashboard that offers all of them: elsewhere the chosen field may
    be absent, and every panel would be empty.
    """
    for order, target in enumerate(bundle.dashboards):
        name = f"link_{target.name}_dashboard"
        options = {
            "openInNewTab": False,
            "useCurrentFilters": set(here.controls) <= set(target.controls),
            "useCurrentDateRange": True,
        }
        yield (
            target.id,
            name,
            {
                "id": target.name,
                "order": order,
                "type": "dashboardLink",
                "label": target.title,
                "destinationRefName": name,
                "options": options,
            },
        )


def _navigation(links: list[Body]) -> Body:
    place = {"i": NAVIGATION, "x": 0, "y": 0, "w": WIDTH, "h": NAVIGATION_HEIGHT}
    attributes = {"layout": "horizontal", "links": links}
    return {
        "type": "links",
        "panelIndex": NAVIGATION,
        "gridData": place,
        "embeddableConfig": {**_enhancements(), "attributes": attributes},
    }


def _panels(dashboard: Dashboard) -> Iterator[Body]:
    top = NAVIGATION_HEIGHT
    for row in dashboard.rows:
        for left, width, panel in row.placed():
            place = {"i": panel.slug, "x": left, "y": top, "w": width, "h": row.height}
            frame = {"panelIndex": panel.slug, "gridData": place}
            if isinstance(panel, Text):
                saved = {**_enhancements(), "hidePanelTitles": True, "savedVis": text_state(panel)}
                yield {"type": "visualization", **frame, "embeddableConfig": saved}
            else:
                state = {"hidePanelTitles": False, **_enhancements(), "attributes": lens_state(panel)}
                yield {"type": "lens", **frame, "title": panel.title, "embeddableConfig": state}
        top += row.height


def _control_group(controls: dict[str, Control]) -> Body:
    ignore = {
        "ignoreFilters": False,
        "ignoreQuery": False,
        "ignoreTimerange": False,
        "ignoreValidations": False,
    }
    panels = {name: _control(name, order, control) for order, (name, control) in enumerate(controls.items())}
    return {
        "controlStyle": "oneLine",
        "chainingSystem": "HIERARCHICAL",
        "showApplySelections": False,
        "ignoreParentSettingsJSON": _json(ignore),
        "panelsJSON": _json(panels),
    }


def _control(name: str, order: int, control: Control) -> Body:
    choice = {
        "id": name,
        "dataViewId": DATA_VIEW,
        "fieldName": control.field,
        "title": control.label,
        "searchTechnique": "prefix",
        "selectedOptions": [],
        "singleSelect": False,
        "exclude": False,
        "existsSelected": False,
        "sort": {"by": "_count", "direction": "desc"},
        "enhancements": {},
    }
    return {
        "type": "optionsListControl",
        "order": order,
        "width": "medium",
        "grow": True,
        "explicitInput": choice,
    }


def _enhancements() -> Body:
    return {"enhancements": {"dynamicActions": {"events": []}}}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main(arguments: list[str] | None = None, folder: Path | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m anthropic_metrics.kibana.bundle")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the saved objects")
    action.add_argument("--check", action="store_true", help="end with 1 when they are out of date")
    folder = folder or kibana_folder()
    path, wanted = folder / FILE, ndjson(load_bundle(folder))
    if parser.parse_args(arguments).write:
        path.write_text(wanted, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == wanted:
        return 0
    sys.stderr.write(f"kibana/{FILE} is not what the definitions say: run scripts/docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
