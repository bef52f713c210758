"""A table as lines of text: in columns where they fit the terminal, else one block a row."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import TextIO

from rich.cells import cell_len

from anthropic_metrics.cli.render import NUMBERS, Table
from anthropic_metrics.redaction import clean

Line = list[tuple[str, str]]
_GAP = "  "
_NARROWEST = 12  # a column of text is wrapped to no less


def width_of(stream: TextIO) -> int | None:
    """The terminal's width; None for a pipe or a file, where nothing is wrapped or cut."""
    if not stream.isatty():
        return None
    return shutil.get_terminal_size().columns if "COLUMNS" in os.environ else _size_of(stream)


def _size_of(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except OSError:
        return 80


def lines(table: Table, width: int | None) -> Iterator[Line]:
    """The table as lines no wider than `width`, unless a single word is."""
    cells = table.cells()
    if not cells:
        yield [(clean(table.empty), "")]
        return
    if table.title:
        yield [(clean(table.title), "bold")]
    widths = _fitted(table, cells, width)
    yield from _columns(table, cells, widths) if widths else _blocks(table, cells, width or 80)
    if rest := len(table.rows) - len(cells):
        yield [(f"... and {rest:,} more", "dim")]


def _fitted(table: Table, cells: Sequence[Sequence[str]], width: int | None) -> list[int] | None:
    """The columns' widths, texts made narrower as needed; None where that is not enough."""
    columns = table.layout.shown
    natural = [
        max(map(cell_len, (column.head, *(row[index] for row in cells))))
        for index, column in enumerate(columns)
    ]
    over = sum(natural) + len(_GAP) * (len(natural) - 1) - (width or 0)
    if width is None or over <= 0:
        return natural
    least = [
        wide
        if column.kind in NUMBERS or column.kind == "time"
        else min(wide, max(_NARROWEST, _longest_word([column.head, *(row[index] for row in cells)])))
        for index, (column, wide) in enumerate(zip(columns, natural, strict=True))
    ]
    if sum(natural) - sum(least) < over:
        return None
    while over > 0:
        widest = max(range(len(natural)), key=lambda index: natural[index] - least[index])
        natural[widest] -= 1
        over -= 1
    return natural


def _longest_word(texts: Sequence[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def _columns(table: Table, cells: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[Line]:
    columns = table.layout.shown
    right = [column.kind in NUMBERS for column in columns]
    yield from _row([column.head for column in columns], ["bold"] * len(columns), widths, right)
    for row in cells:
        styles = [
            column.styles.get(text.partition(":")[0], "") for column, text in zip(columns, row, strict=True)
        ]
        yield from _row(row, styles, widths, right)


def _row(
    texts: Sequence[str], styles: Sequence[str], widths: Sequence[int], right: Sequence[bool]
) -> Iterator[Line]:
    wrapped = [wrap(text, wide) for text, wide in zip(texts, widths, strict=True)]
    for parts in zip_longest(*wrapped, fillvalue=""):
        line: Line = []
        last = max((index for index, part in enumerate(parts) if part), default=0)
        for index, part in enumerate(parts[: last + 1]):
            blank = " " * (widths[index] - cell_len(part))
            before = blank if right[index] else ""
            after = "" if right[index] or index == last else blank
            line += [((_GAP if index else "") + before, ""), (part, styles[index]), (after, "")]
        yield line


def wrap(text: str, width: int) -> list[str]:
    """`text` broken between words into lines of at most `width` cells; a longer word is left whole."""
    if cell_len(text) <= width:
        return [text]
    lines: list[str] = []
    line = ""
    for word in text.split():
        longer = f"{line} {word}" if line else word
        if line and cell_len(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line]


def _blocks(table: Table, cells: Sequence[Sequence[str]], width: int) -> Iterator[Line]:
    """One block a row: its leading texts as a heading, the rest as pairs of title and value."""
    columns = table.layout.shown
    leading = next((index for index, column in enumerate(columns) if column.kind != "text"), 1) or 1
    for row in cells:
        head = _GAP.join(row[:leading])
        for line in wrap(head, width):
            yield [(line, "bold")]
        pairs = [
            f"{column.head}: {text}" for column, text in zip(columns[leading:], row[leading:], strict=True)
        ]
        yield from ([(f"  {line}", "")] for line in _flow(pairs, width - 2))


def _flow(pairs: Sequence[str], width: int) -> Iterator[str]:
    """Pairs side by side as far as they fit; one that is wider is wrapped."""
    line = ""
    for pair in pairs:
        longer = f"{line}   {pair}" if line else pair
        if line and cell_len(longer) > width:
            yield from wrap(line, width)
            line = pair
        else:
            line = longer
    if line:
        yield from wrap(line, width)
