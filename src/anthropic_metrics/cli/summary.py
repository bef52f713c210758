"""What a pass did, as a table."""

from __future__ import annotations

from anthropic_metrics.cli.render import Answer, Column, Layout
from anthropic_metrics.kernel.tally import Tally, merged

COUNTS = ("rows", "created", "replaced", "deleted", "marked", "kept")
SUMMARY = Layout("streams", Column("stream"), *(Column(name, "integer") for name in COUNTS))


def summary(tallies: list[Tally]) -> Answer:
    """One row per stream, and each failure in full, once; exit code 1 when something was not done."""
    failed: dict[str, list[str]] = {}
    for tally in tallies:
        for failure in tally.failures:
            failed.setdefault(failure, []).append(tally.stream)
    return Answer(
        SUMMARY.table(
            [
                (stream, *(getattr(tally, name) for name in COUNTS))
                for stream, tally in merged(tallies).items()
            ]
        ),
        problems=[f"{', '.join(streams)}: {failure}" for failure, streams in failed.items()],
        code=0 if all(tally.done for tally in tallies) else 1,
    )
