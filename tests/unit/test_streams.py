"""A stream is one file and one line: a toy added to a copy of the package turns up everywhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TOY = '''
"""`anthropic_metrics.toy`: a stream of a test."""

from datetime import UTC, datetime, timedelta

from anthropic_metrics.documents.cost import CostDocument
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.streams.stream import Stream, Total

DAY = datetime(2026, 11, 20, tzinfo=UTC)
SOURCE = b'{"@timestamp":"2026-11-20T00:00:00Z","anthropic":{"cost":{"amount_exact":"7"}}}'


class Toys:
    only, dataset, stream = "toys", "anthropic_metrics.toy", stream_name("anthropic_metrics.toy", "default")
    terms = {}

    def live(self, sink):
        return [Job("toy", self.only, self.stream, timedelta(minutes=5), lambda tally: None)]

    def sweep(self, sink):
        return []

    def whole(self, sink, progress=None):
        return self.live(sink)

    def older(self, sink, wanted, progress=None):
        return []

    def range(self, wanted=None):
        return Range(DAY, DAY + timedelta(days=1))

    def documents(self, wanted, tally):
        yield wanted, [Prepared("toy-1", "h", SOURCE)]


STREAM = Stream(
    key="toy",
    title="Toys",
    about="a toy",
    document=CostDocument,
    polled="5m",
    retained="toys",
    retention=timedelta(days=11),
    total=Total("anthropic.cost.amount_exact", "cents"),
    only="toys",
    pollers=lambda organization: [Toys()],
    panels=True,
)
'''
SEEN = """
import json
import sys
from datetime import UTC, datetime

from typer.testing import CliRunner

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.cli import app
from anthropic_metrics.config import AnthropicSettings, Config, RetentionSettings
from anthropic_metrics.config.reference import example, reference
from anthropic_metrics.documents.reference import render, table
from anthropic_metrics.elastic.assets import files, load_assets
from anthropic_metrics.elastic.setup import _component_bodies
from anthropic_metrics.health import Health
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kibana.bundle import PATTERN
from anthropic_metrics.streams.registry import BY_DATASET, ONLY, STREAMS

now = datetime(2026, 11, 21, tzinfo=UTC)
config = Config()
client = AdminClient(AnthropicSettings(admin_key="sk-ant-admin-unused"))
inventory = Inventory(AdminDirectory(client))
organization = Organization(config, client, inventory, clock=lambda: now, only=["toys"])
jobs = organization.scheduled(Sink(None, None, None))
health = Health({job.name: job.interval for job in jobs}, streams={job.name: job.stream for job in jobs})
key = {"ANTHROPIC_ADMIN_API_KEY": "sk-ant-admin-unused"}
preview = CliRunner().invoke(app, ["preview", "--only", "toys"], env=key)
json.dump(
    {
        "files": [path for path, _ in files() if "toy" in path],
        "installed": sorted(name for name in load_assets().index_templates if "toy" in name),
        "retention": str(config.retention.of("anthropic_metrics.toy")),
        "changed": RetentionSettings(toy="3d").model_dump(mode="json")["toy"],
        "lifecycle": _component_bodies(load_assets(), config, failure_store=False)["anthropic_metrics.toy"][
            "template"
        ]["lifecycle"]["data_retention"],
        "only": "toys" in ONLY,
        "help": "toys" in CliRunner().invoke(app, ["once", "--help"], env={"COLUMNS": "200"}).output,
        "preview": preview.output,
        "total": [BY_DATASET[poller.dataset].total.unit for poller in organization.pollers],
        "health": list(health.as_dict()["pollers"]),
        "docs": [text in table() for text in ("anthropic_metrics.toy", "a toy", "11d")],
        "fields": "metrics-anthropic_metrics.toy-*" in render(),
        "configuration": ["toys" in reference(), "toy: 11d" in example()],
        "panels": [stream.name("default") for stream in STREAMS if stream.panels and stream.key == "toy"],
        "pattern": PATTERN,
    },
    sys.stdout,
)
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the package with one more file and one more line says of the toy."""
    root = tmp_path_factory.mktemp("copy")
    for name in ("src", "index_templates", "ingest_pipelines", "alert_rules", "kibana"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    streams = root / "src/anthropic_metrics/streams"
    (streams / "toy.py").write_text(TOY)
    registry = streams / "registry.py"
    line = "    alert.STREAM,\n"
    added = (
        registry.read_text()
        .replace(line, f"{line}    toy.STREAM,\n")
        .replace("    usage,\n", "    toy,\n    usage,\n", 1)
    )
    registry.write_text(added)
    environment = {"PYTHONPATH": str(root / "src"), "PATH": "/usr/bin:/bin"}

    def python(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=environment,
            cwd=root,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    python("-m", "anthropic_metrics.elastic.assets", "--write")
    found: dict[str, Any] = json.loads(python("-c", SEEN))
    return found


def test_a_new_stream_is_in_templates_and_pipelines(seen: dict[str, Any]) -> None:
    assert seen["files"] == [
        "index_templates/components/metrics-anthropic_metrics.toy@package.json",
        "index_templates/metrics-anthropic_metrics.toy.json",
        "ingest_pipelines/metrics-anthropic_metrics.toy.json",
    ]
    assert seen["installed"] == ["metrics-anthropic_metrics.toy"]


def test_a_new_stream_has_a_retention_that_can_be_configured(seen: dict[str, Any]) -> None:
    assert (seen["retention"], seen["changed"], seen["lifecycle"]) == ("11 days, 0:00:00", "3d", "11d")


def test_a_new_stream_is_polled_previewed_audited_and_watched(seen: dict[str, Any]) -> None:
    assert seen["only"]
    assert seen["help"]
    assert json.loads(seen["preview"])["anthropic"]["cost"]["amount_exact"] == "7"
    assert (seen["total"], seen["health"]) == (["cents"], ["toy"])


def test_a_new_stream_is_in_the_docs_and_in_the_data_view_of_the_dashboards(seen: dict[str, Any]) -> None:
    assert all([*seen["docs"], seen["fields"], *seen["configuration"]])
    assert seen["panels"] == ["metrics-anthropic_metrics.toy-default"]
    assert seen["pattern"] == "metrics-anthropic_metrics.*"
