"""The asset files are what the document models say, and nothing that a cluster should decide."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from anthropic_metrics.elastic import assets
from anthropic_metrics.elastic.assets import assets_root, drift, load_assets, main, write
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.streams.registry import BY_DATASET


def test_the_files_are_up_to_date() -> None:
    assert drift(assets_root()) == []


def test_each_dataset_has_a_template_a_component_and_a_pipeline_that_name_each_other() -> None:
    loaded = load_assets()
    for dataset in BY_DATASET:
        name = f"metrics-{dataset}"
        template = loaded.index_templates[name]
        settings = loaded.component_templates[f"{name}@package"]["template"]["settings"]["index"]
        assert template["index_patterns"] == [f"{name}-*"]
        assert template["composed_of"] == [f"{name}@package", f"{name}@custom"]
        assert template["priority"] > 200  # Fleet's packages use 200
        assert settings["default_pipeline"] == name
        assert name in loaded.pipelines
    assert len(loaded.index_templates) == len(loaded.component_templates) == len(BY_DATASET)


@pytest.mark.parametrize(
    "decided_elsewhere", ["number_of_shards", "number_of_replicas", "lifecycle.name", "policy"]
)
def test_what_the_cluster_decides_or_serverless_refuses_is_left_out(decided_elsewhere: str) -> None:
    loaded = load_assets()
    assert decided_elsewhere not in json.dumps([loaded.index_templates, loaded.component_templates])


def test_a_changed_missing_or_superfluous_file_is_found_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(assets, "assets_root", lambda: tmp_path)
    write(tmp_path)
    assert main(["--check"]) == 0
    changed, missing = list(assets.files())[:2]
    (tmp_path / changed[0]).write_text("{}")
    (tmp_path / missing[0]).unlink()
    (tmp_path / "ingest_pipelines/old.json").write_text("{}")
    assert drift(tmp_path) == sorted([changed[0], missing[0], "ingest_pipelines/old.json"])
    assert main(["--check"]) == 1
    assert changed[0] in capsys.readouterr().err
    assert main(["--write"]) == 0
    assert drift(tmp_path) == []


def test_stream_names_follow_elastics_naming_scheme() -> None:
    assert stream_name("anthropic_metrics.usage", "prod") == "metrics-anthropic_metrics.usage-prod"
