"""The field reference in the docs: `python -m anthropic_metrics.documents.reference --write | --check`."""

from __future__ import annotations

import sys
from pathlib import Path

from anthropic_metrics.documents.mapping import DATASETS, MappedField, fields

TARGET = Path(__file__).parents[3] / "docs" / "fields.md"


def render() -> str:
    """One table for what all datasets share, then one for each family of datasets."""
    by_dataset = {name: list(fields(info.model)) for name, info in DATASETS.items()}
    everywhere = set.intersection(*(set(_rows(leaves)) for leaves in by_dataset.values()))
    lines = [
        "# Fields",
        "",
        "Generated from the document models by `scripts/docs`; do not edit.",
        "",
        "Figures (`long`, `double`) and `event.hash` have no index of their own: a filter by one of them",
        "reads that field of every document in the range.",
        "",
        "## All data streams",
        "",
        *_table([row for row in _rows(next(iter(by_dataset.values()))) if row in everywhere]),
    ]
    shown: set[type] = set()
    for name, info in DATASETS.items():
        if info.model in shown:
            continue
        shown.add(info.model)
        names = [f"`metrics-{other.dataset}-*`" for other in DATASETS.values() if other.model is info.model]
        rows = [row for row in _rows(by_dataset[name]) if row not in everywhere]
        lines += ["", f"## {', '.join(names)}", "", *_table(rows)]
    return "\n".join(lines) + "\n"


def _rows(leaves: list[MappedField]) -> list[str]:
    return [f"| `{leaf.name}` | {leaf.mapped.type} | {leaf.description} |" for leaf in leaves]


def _table(rows: list[str]) -> list[str]:
    return ["| field | type | meaning |", "|---|---|---|", *rows]


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        TARGET.write_text(render(), encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == render():
        return 0
    sys.stderr.write(f"{TARGET.name} is not what the document models say: run scripts/docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
