"""What a pass did, as a table."""

from __future__ import annotations

from collections.abc import Iterable

from anthropic_metrics.cli.render import Answer, Column, Layout
from anthropic_metrics.kernel.tally import Tally, merged
from anthropic_metrics.links import with_address

COUNTS = ("rows", "created", "replaced", "deleted", "marked", "kept")
SUMMARY = Layout("streams", Column("stream"), *(Column(name, "integer") for name in COUNTS))


def summary(tallies: list[Tally]) -> Answer:
    """One row per stream, each note and failure in full, once, with the address of its help; exit code 1 when
    something was not done."""
    return Answer(
        SUMMARY.table(
            [
                (stream, *(getattr(tally, name) for name in COUNTS))
                for stream, tally in merged(tallies).items()
            ]
        ),
        notes=_by_text((tally.stream, tally.notes) for tally in tallies),
        problems=_by_text((tally.stream, list(map(with_address, tally.failures))) for tally in tallies),
        code=0 if all(tally.done for tally in tallies) else 1,
    )


def _by_text(said: Iterable[tuple[str, list[str]]]) -> list[str]:
    """Each text once, after the streams that it is about."""
    streams: dict[str, dict[str, None]] = {}
    for stream, texts in said:
        for text in texts:
            streams.setdefault(text, {})[stream] = None
    return [f"{', '.join(names)}: {text}" for text, names in streams.items()]
