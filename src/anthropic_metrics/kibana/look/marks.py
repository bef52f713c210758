"""Rankings and heatmaps, as HTML."""

from __future__ import annotations

from html import escape

from anthropic_metrics.kibana.ask import Answer
from anthropic_metrics.kibana.definitions import Chart, Heatmap
from anthropic_metrics.kibana.look.colors import COLORS, Palette
from anthropic_metrics.kibana.look.numbers import brief, shown

TAIL = 12  # letters of a long label that always stand


def ranking(panel: Chart, answer: Answer, palette: Palette) -> str:
    """A bar for each row, the longest first; several columns stand one behind the other."""
    records = answer.records()
    names = [panel.columns[y].label for y in panel.y]
    colors = palette.colors(panel.title, names) if len(names) > 1 else {names[0]: COLORS[0]}
    form = panel.columns[panel.y[0]].format
    longest = max(sum(record[y] or 0 for y in panel.y) for record in records)
    rows = []
    for record in records:
        label = shown(record[panel.x], panel.columns[panel.x].format)
        total = sum(record[y] or 0 for y in panel.y)
        pieces = "".join(
            f'<i style="width:{100 * (record[y] or 0) / (longest or 1):.2f}%;background:{colors[name]}" '
            f'title="{escape(name)}: {escape(shown(record[y], panel.columns[y].format))}"></i>'
            for y, name in zip(panel.y, names, strict=True)
            if record[y]
        )
        rows.append(
            f'<li>{_name(label)}<span class="bar">{pieces}</span>'
            f'<b title="{escape(shown(total, form))}">{escape(brief(total, form))}</b></li>'
        )
    legend = "".join(f'<li><i style="background:{colors[name]}"></i>{escape(name)}</li>' for name in names)
    head = f'<ul class="legend">{legend}</ul>' if len(names) > 1 else ""
    return f'{head}<ol class="ranking">{"".join(rows)}</ol>'


def _name(label: str) -> str:
    """A label that loses its middle where there is no room for all of it: names often differ at the end."""
    head, tail = (label[:-TAIL], label[-TAIL:]) if len(label) > 2 * TAIL else (label, "")
    return (
        f'<span class="name" title="{escape(label)}"><span>{escape(head)}</span><b>{escape(tail)}</b></span>'
    )


def heatmap(panel: Heatmap, answer: Answer) -> str:
    """A cell for each pair; the darkest is the largest."""
    records = answer.records()
    across = sorted({str(record[panel.x]) for record in records})
    down = sorted({str(record[panel.y]) for record in records})
    values = {(str(record[panel.y]), str(record[panel.x])): record[panel.value] or 0 for record in records}
    largest = max(values.values()) or 1
    form = panel.columns[panel.value].format
    head = "".join(f'<th scope="col">{escape(x)}</th>' for x in across)
    rows = []
    for y in down:
        cells = "".join(
            f'<td style="--share:{values.get((y, x), 0) / largest:.3f}" '
            f'title="{escape(y)}, {escape(x)}: {escape(shown(values.get((y, x)), form))}"></td>'
            for x in across
        )
        # The number before a weekday only sorts it.
        rows.append(f'<tr><th scope="row">{escape(y.partition(" ")[2] or y)}</th>{cells}</tr>')
    return (
        f'<table class="heat"><thead><tr><td></td>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )
