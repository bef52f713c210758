"""Index templates and ingest pipelines: generated from the document models, kept as readable files.

    python -m anthropic_metrics.elastic.assets --write    after a change of the models
    python -m anthropic_metrics.elastic.assets --check    ends with 1 when a file is out of date

The files are what users read and may import by hand. Retention and the failure store depend on the
configuration and on the server, so `setup` adds them.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anthropic_metrics.documents.mapping import mapping, with_fields
from anthropic_metrics.streams.registry import STREAMS
from anthropic_metrics.streams.stream import Stream

VERSION = 3  # of the assets; `setup` never replaces a higher one
PRIORITY = 250  # above the templates of Elasticsearch (100) and of Fleet's packages (200)
FOLDERS = {
    "component_template": "index_templates/components",
    "index_template": "index_templates",
    "pipeline": "ingest_pipelines",
}
_META = {"managed_by": "anthropic-metrics", "version": VERSION}
_COMMON = "metrics-anthropic_metrics"
_USER_KEYS = ("labels", "anthropic.workspace.tags")  # names that users choose; each value is a keyword

Body = dict[str, Any]


@dataclass(frozen=True)
class Assets:
    """Request bodies by name, as the files have them."""

    component_templates: dict[str, Body]
    index_templates: dict[str, Body]
    pipelines: dict[str, Body]


def load_assets() -> Assets:
    """The assets from the installed package, or from the repository in a checkout."""
    root = assets_root()
    return Assets(
        _read(root / FOLDERS["component_template"]),
        _read(root / FOLDERS["index_template"]),
        _read(root / FOLDERS["pipeline"]),
    )


def assets_root() -> Path:
    """The folder that holds `index_templates/` and `ingest_pipelines/`."""
    package = Path(__file__).parents[1]
    installed = package / "assets"
    return installed if installed.is_dir() else package.parents[1]


def component_template(stream: Stream) -> Body:
    """Settings and mappings of a stream. Shards and replicas are left to the cluster."""
    return {
        "template": {
            "settings": {
                "index": {
                    "mode": "standard",
                    "codec": "best_compression",
                    "default_pipeline": stream.template,
                    # A user with very many tags or labels loses their mapping, never the document.
                    "mapping": {"total_fields": {"ignore_dynamic_beyond_limit": "true"}},
                }
            },
            "mappings": {
                "_meta": dict(_META),
                "dynamic": False,
                "date_detection": False,
                "dynamic_templates": [_as_keyword(path) for path in _USER_KEYS],
                "properties": _with_flat_keys(with_fields(mapping(stream.document), stream.lent)),
            },
            "lifecycle": {"enabled": True},
        },
        "_meta": {"description": f"{stream.title}: settings and mappings.", **_META},
    }


def index_template(stream: Stream) -> Body:
    """The data stream's template: our component, then the user's `@custom` if there is one."""
    name = stream.template
    return {
        "index_patterns": [f"{name}-*"],
        "priority": PRIORITY,
        "data_stream": {},
        "composed_of": [f"{name}@package", f"{name}@custom"],
        "ignore_missing_component_templates": [f"{name}@custom"],
        "_meta": {"description": f"{stream.title}.", **_META},
    }


def pipeline(stream: Stream) -> Body:
    """Stamps the time of arrival, calls the user's pipelines, keeps a document that one of them fails on."""
    name = stream.template
    return {
        "description": f"{stream.title}: stamps event.ingested and calls your own pipelines.",
        "processors": [
            {"set": {"tag": "stamp", "field": "event.ingested", "value": "{{{_ingest.timestamp}}}"}},
            _call(f"{name}@custom"),
            _call(f"{_COMMON}@custom"),
        ],
        "on_failure": [
            _keep("set", "event.kind", "pipeline_error"),
            _keep("set", "error.message", _WHY),
            _keep("append", "tags", "pipeline_error", allow_duplicates=False),
        ],
        "_meta": dict(_META),
    }


def empty_pipeline(stream: Stream) -> Body:
    """Does nothing: for a server without ingest processors, whose templates still need the name."""
    return {
        "description": f"{stream.title}: empty, the server has no ingest processors.",
        "processors": [],
        "_meta": {**_META, "empty": True},
    }


_WHY = (
    "Processor {{{_ingest.on_failure_processor_type}}} in pipeline {{{_ingest.on_failure_pipeline}}} failed: "
    "{{{_ingest.on_failure_message}}}"
)


def _call(name: str) -> Body:
    return {"pipeline": {"tag": name, "name": name, "ignore_missing_pipeline": True}}


def _keep(processor: str, field: str, value: str, **options: Any) -> Body:
    """A note on a document that failed; where even that does not fit, the document matters more."""
    return {processor: {"field": field, "value": value, **options, "ignore_failure": True}}


def _as_keyword(path: str) -> Body:
    rule = {"path_match": f"{path}.*", "mapping": {"type": "keyword", "ignore_above": 1024}}
    return {path.replace(".", "_"): rule}


def _with_flat_keys(properties: Body) -> Body:
    """Dots in a user's names are no paths: `cost` and `cost.center` may both be there."""
    for path in _USER_KEYS:
        *parents, last = path.split(".")
        level = properties
        for parent in parents:
            level = level.get(parent, {}).get("properties", {})
        if last in level:
            level[last]["subobjects"] = False
    return properties


def files() -> Iterator[tuple[str, str]]:
    """Path below the root and text of every asset file, as they should be."""
    for stream in STREAMS:
        name = stream.template
        bodies = {
            "component_template": (f"{name}@package", component_template(stream)),
            "index_template": (name, index_template(stream)),
            "pipeline": (name, pipeline(stream)),
        }
        for kind, (file, body) in bodies.items():
            yield f"{FOLDERS[kind]}/{file}.json", json.dumps(body, indent=2) + "\n"


def drift(root: Path) -> list[str]:
    """Paths of asset files that are missing, out of date or of no dataset any more."""
    expected = dict(files())
    wrong = [path for path, text in expected.items() if _text(root / path) != text]
    present = {path.relative_to(root).as_posix() for path in _json_files(root)}
    return sorted([*wrong, *(present - expected.keys())])


def write(root: Path) -> None:
    """Make the asset files below `root` what they should be."""
    for path, text in files():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    for path in drift(root):
        (root / path).unlink()


def _json_files(root: Path) -> list[Path]:
    return [path for folder in FOLDERS.values() for path in (root / folder).glob("*.json")]


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _read(folder: Path) -> dict[str, Body]:
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m anthropic_metrics.elastic.assets")
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true", help="write the asset files")
    action.add_argument("--check", action="store_true", help="end with 1 when a file is out of date")
    if parser.parse_args(arguments).write:
        write(assets_root())
        return 0
    wrong = drift(assets_root())
    for path in wrong:
        sys.stderr.write(f"{path} is out of date: run python -m anthropic_metrics.elastic.assets --write\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
