"""The field reference and the table of streams: `python -m anthropic_metrics.documents.reference --write`."""

from __future__ import annotations

import sys
from pathlib import Path

from anthropic_metrics.config.values import format_duration
from anthropic_metrics.documents.mapping import MappedField, fields
from anthropic_metrics.streams.registry import STREAMS

_ROOT = Path(__file__).parents[3]
FIELDS = _ROOT / "docs" / "fields.md"
README = _ROOT / "README.md"
BEGIN = "<!-- streams: written by scripts/docs -->"
END = "<!-- end of streams -->"


def render() -> str:
    """One table for what all datasets share, then one for each family of datasets."""
    by_stream = {stream.key: list(fields(stream.document)) for stream in STREAMS}
    everywhere = set.intersection(*(set(_rows(leaves)) for leaves in by_stream.values()))
    lines = [
        "# Fields",
        "",
        "Generated from the document models by `scripts/docs`; do not edit.",
        "",
        "Figures (`long`, `double`) and `event.hash` are not indexed: a filter on one of them",
        "reads that field of every document in the range.",
        "",
        "## All data streams",
        "",
        *_lines([row for row in _rows(next(iter(by_stream.values()))) if row in everywhere]),
    ]
    shown: set[type] = set()
    for stream in STREAMS:
        if stream.document in shown:
            continue
        shown.add(stream.document)
        alike = [other for other in STREAMS if other.document is stream.document]
        names = [f"`{other.name('*')}`" for other in alike]
        rows = [row for row in _rows(by_stream[stream.key]) if row not in everywhere]
        lines += ["", f"## {', '.join(names)}", "", *_lines(rows)]
    return "\n".join(lines) + "\n"


def table() -> str:
    """The table of data streams."""
    lines = [
        "| data stream `metrics-<dataset>-<namespace>` | one document is | polled | kept |",
        "|---|---|---|---|",
    ]
    for stream in STREAMS:
        retention = format_duration(stream.retention) if stream.retention else "no limit"
        lines.append(f"| `{stream.dataset}` | {stream.about} | {stream.polled} | {retention} |")
    return "\n".join(lines) + "\n"


def readme(text: str) -> str:
    """README with the present table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}{END}{after}"


def _rows(leaves: list[MappedField]) -> list[str]:
    return [f"| `{leaf.name}` | {leaf.mapped.type} | {leaf.description} |" for leaf in leaves]


def _lines(rows: list[str]) -> list[str]:
    return ["| field | type | meaning |", "|---|---|---|", *rows]


def main(arguments: list[str]) -> int:
    wanted = {FIELDS: render(), README: readme(README.read_text(encoding="utf-8"))}
    stale = [
        path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    if arguments == ["--write"]:
        for path in stale:
            path.write_text(wanted[path], encoding="utf-8")
        return 0
    for path in stale:
        sys.stderr.write(f"{path.name} is not what the streams say: run scripts/docs\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
