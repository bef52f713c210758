"""docs/operations.md names every log event and every metric, and none that does not exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import Config
from anthropic_metrics.health import Metrics, label
from anthropic_metrics.kernel.jobs import Kind
from anthropic_metrics.streams.registry import ONLY

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text("utf-8")
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}


def first_column(heading: str) -> set[str]:
    """The names in the table below a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE))


def logged() -> Iterator[str]:
    """The first argument of each call of a logger: events are words joined by underscores."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            arguments = node.args[1:] if node.func.attr == "log" else node.args
            if node.func.attr in LEVELS | {"log"} and arguments:
                event = arguments[0]
                if isinstance(event, ast.Constant) and isinstance(event.value, str):
                    yield event.value


def test_every_log_event_is_listed() -> None:
    assert set(logged()) == first_column("Log events")


def test_every_metric_is_listed() -> None:
    families = {family.name: family for family in Metrics.create().registry.collect()}
    totals = {name + "_total" if family.type == "counter" else name for name, family in families.items()}
    named = {name + "_info" if name.endswith("_build") else name for name in totals}
    own = {name for name in named if not name.startswith("process_")}
    assert own | {"process_*"} == first_column("Metrics")


def test_every_poller_is_listed_under_all_of_its_names() -> None:
    section = PAGE.split("## Names of pollers\n", 1)[1].split("\n## ", 1)[0]
    table = re.findall(r"^\| (.*) \| (.*) \| (.*) \| (.*) \|$", section, re.MULTILINE)[1:]
    rows = {job: row for row in table for job in re.findall(r"`([^`]+)`", row[1])}
    config = Config.model_validate(
        {
            "anthropic": {"admin_key": "sk-ant-admin01-names"},
            "elasticsearch": {"hosts": ["http://127.0.0.1:9"]},
            "usage": {"granularities": ["1m", "1h", "1d"]},
            "people": {"enabled": True, "salt": "names" * 8},
            "telemetry": {"enabled": "true"},
            "alerts": {"evaluate": True, "webhooks": ["https://hooks.example/names"]},
            "health": {"figures": True},
            "digest": "daily",
        }
    )
    with Agent(config) as agent:
        live = [job for job in agent.jobs if job.kind is Kind.live]
    assert {job.name for job in live} == set(rows)
    for job in live:
        only, jobs, labels, streams = (re.findall(r"`([^`]+)`", cell) for cell in rows[job.name])
        assert only == [job.poller] * (job.poller in ONLY)
        assert labels == [label(name) for name in jobs]
        assert job.stream.removesuffix("default") + "*" in streams
