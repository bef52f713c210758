"""What a pass did, as a table."""

from __future__ import annotations

from rich.table import Table

from anthropic_metrics.cli.common import err
from anthropic_metrics.kernel.tally import Tally, merged

COLUMNS = ("rows", "created", "replaced", "deleted", "marked", "kept")


def print_tallies(tallies: list[Tally]) -> None:
    """One line per stream on stderr, and each failure in full, once."""
    table = Table(box=None, pad_edge=False)
    table.add_column("stream")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for stream, tally in merged(tallies).items():
        table.add_row(stream, *(f"{getattr(tally, column):,}" for column in COLUMNS))
    err.print(table)
    failed: dict[str, list[str]] = {}
    for tally in tallies:
        for failure in tally.failures:
            failed.setdefault(failure, []).append(tally.stream)
    for failure, streams in failed.items():
        message = f"{', '.join(streams)}: {failure}"
        err.print(message, style="red", highlight=False, soft_wrap=True, markup=False)
