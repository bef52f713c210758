"""A version that several places depend on is said once."""

from __future__ import annotations

import re
from pathlib import Path

from anthropic_metrics.versions import ELASTICSEARCH_VERSION

ROOT = Path(__file__).parents[2]


def test_compose_starts_the_version_that_the_tests_ran_against() -> None:
    images = re.findall(r"image: (elasticsearch|kibana):(\S+)", (ROOT / "compose.yaml").read_text())
    assert images == [("elasticsearch", ELASTICSEARCH_VERSION), ("kibana", ELASTICSEARCH_VERSION)]


def test_no_other_module_names_a_schema_version_or_an_oldest_version() -> None:
    pattern = re.compile(r'ECS_VERSION = "|OLDEST\w* = \(')
    named = [path.name for path in (ROOT / "src").rglob("*.py") if pattern.search(path.read_text())]
    assert named == ["versions.py"]
