"""Prometheus rules and the Grafana dashboard for /metrics: they parse, fire, and name metrics that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import generate_latest

from anthropic_metrics.figures.gauges import Figures
from anthropic_metrics.health import Metrics
from deploy import tools

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy/prometheus/rules.yaml"
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy/grafana/anthropic-metrics.json").read_text("utf-8"))


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([tools.promtool(), *arguments], capture_output=True, text=True, check=False)


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return list(group["rules"])


def queries() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])


def known() -> set[str]:
    """Names of the series that /metrics can have."""
    endings = {"counter": "_total", "info": "_info"}
    families = Metrics.create().registry.collect()
    return {family.name + endings.get(family.type, "") for family in families}


def test_promtool_finds_nothing_to_mend_in_the_page() -> None:
    metrics = Metrics.create()
    metrics.figures.put(
        Figures(
            {(): 12.5},
            {("all", "monthly", "usd"): 900},
            {("all", "monthly", "usd"): 12.5},
            {("(all)", "Opus", "x"): 1},
        )
    )
    metrics.documents.labels("usage", "created").inc()
    checked = subprocess.run(
        [tools.promtool(), "check", "metrics"],
        input=generate_latest(metrics.registry),
        capture_output=True,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_every_rule_fires_on_its_fault_and_a_healthy_agent_raises_none() -> None:
    played = promtool("test", "rules", RULES.with_name("rules.test.yaml"))
    assert played.returncode == 0, played.stdout + played.stderr
    tested = (RULES.with_name("rules.test.yaml")).read_text("utf-8")
    assert [rule["alert"] for rule in rules() if f'alertname="{rule["alert"]}"' not in tested] == []


def test_a_rule_that_cannot_fire_fails_its_test(tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES.read_text("utf-8").replace("anthropic_metrics_fresh", "fresh"))
    shutil.copy(RULES.with_name("rules.test.yaml"), tmp_path)
    assert promtool("test", "rules", tmp_path / "rules.test.yaml").returncode != 0


def test_every_query_names_metrics_that_the_agent_has() -> None:
    for query in queries():
        named = set(re.findall(r"\b((?:anthropic_metrics|process)_\w+|up)\b(?=[{)\[])", query))
        assert named, query
        assert named <= known() | {"up"}, query


def test_prometheus_parses_every_query_of_the_dashboard(tmp_path: Path) -> None:
    found = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries())]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "all", "rules": found}]}))
    checked = promtool("check", "rules", tmp_path / "rules.yaml")
    assert checked.returncode == 0, checked.stderr


def test_every_metric_that_operations_lists_is_watched_by_a_panel() -> None:
    shown = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    assert [name for name in known() if name.startswith("anthropic_metrics_") and name not in shown] == []


def test_panels_of_the_dashboard_do_not_overlap_and_say_what_they_show() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
        assert panel["description"]
        assert panel["datasource"]["uid"] == "${datasource}"
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_rule_says_what_to_do_and_stands_in_the_documentation(rule: dict[str, Any]) -> None:
    assert rule["annotations"].keys() == {"summary", "description"}
    assert f"| `{rule['alert']}` |" in (ROOT / "docs/monitoring.md").read_text("utf-8")
