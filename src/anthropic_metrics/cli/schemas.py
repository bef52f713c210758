"""docs/schemas/*.json, made from the tables: `python -m anthropic_metrics.cli.schemas --write | --check`.

One JSON Schema for each command that takes `--format json`. Columns may be added in later versions, so a
schema refuses no name that it does not know; names and kinds that are there stay.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from anthropic_metrics.cli.cells import Kind
from anthropic_metrics.cli.reference import commands
from anthropic_metrics.cli.render import SCHEMA_ATTRIBUTE, TABLES_ATTRIBUTE, Layout

FOLDER = Path(__file__).parents[3] / "docs/schemas"

_KINDS: dict[Kind, dict[str, Any]] = {
    "text": {"type": ["string", "null"]},
    "integer": {"type": ["integer", "null"]},
    "number": {"type": ["number", "null"]},
    "share": {"type": ["number", "null"], "description": "1 is the whole."},
    "decimal": {
        "type": ["string", "integer", "null"],
        "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
        "description": "Exact: dollars as text; a count, such as of tokens, as a number.",
    },
    "time": {"type": ["string", "null"], "format": "date-time", "pattern": "Z$"},
    "duration": {"type": ["string", "null"], "pattern": "^[0-9]+(s|m|h|d)$"},
    "boolean": {"type": ["boolean", "null"]},
    "list": {"type": ["array", "null"], "items": {"type": ["string", "number"]}},
}
_SENTENCES = {"type": "array", "items": {"type": "string"}}


def rows_schema(layout: Layout) -> dict[str, Any]:
    """What the rows of one table are: a list of objects with every column."""
    properties = {
        column.name: {"enum": [*column.values]} if column.values else _KINDS[column.kind]
        for column in layout.columns
    }
    required = [column.name for column in layout.columns if column.always]
    row = {"type": "object", "properties": properties, "required": required}
    return {"type": "array", "items": row}


def schema(name: str, layouts: Sequence[Layout]) -> dict[str, Any]:
    """What the command prints with `--format json`; a table that it has nothing to say in may be absent."""
    tables = {layout.name: rows_schema(layout) for layout in layouts}
    further = {layout.further: rows_schema(layout) for layout in layouts if layout.further}
    return _headed(
        name,
        {
            "type": "object",
            "properties": {**tables, "notes": _SENTENCES, "problems": _SENTENCES},
            **({"patternProperties": further} if further else {}),
            "required": ["notes", "problems"],
        },
    )


def _headed(name: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"anthropic-metrics {name} --format json",
        **body,
    }


def file_name(command: str) -> str:
    """The schema's file for a command, such as `alerts-list.json`."""
    return command.replace(" ", "-") + ".json"


def schemas() -> Iterator[tuple[Path, str]]:
    """Every file as it should be."""
    for name, command in commands():
        if layouts := getattr(command.callback, TABLES_ATTRIBUTE, ()):
            yield FOLDER / file_name(name), json.dumps(schema(name, layouts), indent=1) + "\n"
        if body := getattr(command.callback, SCHEMA_ATTRIBUTE, None):
            yield FOLDER / file_name(name), json.dumps(_headed(name, body), indent=1) + "\n"


def main(arguments: list[str]) -> int:
    wanted = dict(schemas())
    if arguments == ["--write"]:
        FOLDER.mkdir(exist_ok=True)
        for path in set(FOLDER.glob("*.json")) - set(wanted):
            path.unlink()
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    stale += sorted(set(FOLDER.glob("*.json")) - set(wanted))
    sys.stderr.writelines(f"{path.name} is not what the tables say: run scripts/docs\n" for path in stale)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
