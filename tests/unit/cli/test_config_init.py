"""`config init` ends with commands that work at once, for users with a cluster and without one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anthropic_metrics.cli.configuration import init
from anthropic_metrics.cli.reference import commands


@pytest.mark.parametrize(
    ("output", "option"), [("config.yaml", ""), ("my file.yaml", " --config 'my file.yaml'")]
)
def test_it_names_the_next_command_of_each_user(
    output: str,
    option: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    init(Path(output))
    shown = capsys.readouterr().err
    without, _, with_cluster = shown.partition("With a cluster")
    assert "elasticsearch.hosts" not in without
    assert f"anthropic-metrics costs{option} " in without
    assert f"anthropic-metrics once --embedded{option} " in without
    assert f"anthropic-metrics check{option} " in with_cluster
    known = {name for name, _ in commands()}
    assert set(re.findall(r"^  anthropic-metrics (\w+)", shown, re.MULTILINE)) <= known
