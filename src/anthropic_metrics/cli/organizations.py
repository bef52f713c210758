"""What the commands do where there are several organizations: all of them in one table, or one by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, TypeVar

import typer

from anthropic_metrics.cli.render import Answer, Column, Layout, Table
from anthropic_metrics.config import Config

OrganizationOption = Annotated[
    str | None,
    typer.Option(
        "--organization",
        help="Of several organizations only this one, by its name or id; else all.",
        show_default=False,
    ),
]
_AT_ONCE = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


def chosen(config: Config, organization: str | None) -> tuple[Config, ...]:
    """The configuration of each organization, or of the one that is named; ConfigError where it is none."""
    return config.each() if organization is None else (config.of(organization),)


def of_each(config: Config, organization: str | None, answer: Callable[[Config], Answer]) -> Answer:
    """The answer for each organization, together; for the one that is named its own."""
    configs = chosen(config, organization)
    if len(configs) == 1:
        return answer(configs[0])
    return together({each.label: answer(each) for each in configs})


def side_by_side(items: Iterable[Item], run: Callable[[Item], Result]) -> list[Result]:
    """The results in order; a few at a time, so that an organization that is slow delays few others."""
    items = list(items)
    if len(items) <= 1:
        return [run(item) for item in items]
    with ThreadPoolExecutor(min(len(items), _AT_ONCE), thread_name_prefix="organization") as pool:
        return list(pool.map(run, items))


def together(answers: Mapping[str, Answer]) -> Answer:
    """One answer of several, by the organization's name: tables of one layout become one table.

    Its first column is the organization. What all say stands once; the rest names whose it is.
    """
    names: dict[str, list[tuple[str, Table]]] = {}
    for organization, answer in answers.items():
        for table in answer.tables:
            names.setdefault(table.layout.name, []).append((organization, table))
    return Answer(
        *(_joined(tables) for tables in names.values()),
        notes=_said({name: answer.notes for name, answer in answers.items()}),
        problems=_said({name: answer.problems for name, answer in answers.items()}),
        code=max(answer.code for answer in answers.values()),
    )


def with_organization(layout: Layout) -> Layout:
    """The layout with the organization before all other columns."""
    return Layout(layout.name, Column("organization"), *layout.columns)


def _joined(tables: Sequence[tuple[str, Table]]) -> Table:
    layout = with_organization(tables[0][1].layout)
    rows = [(organization, *row) for organization, table in tables for row in table.rows]
    most = [table.most for _, table in tables if table.most is not None]
    titles = list(dict.fromkeys(table.title for _, table in tables if table.title))
    return layout.table(
        rows,
        title=titles[0] if len(titles) == 1 else "",
        empty=tables[0][1].empty,
        most=sum(most) if most else None,
    )


def _said(texts: Mapping[str, Sequence[str]]) -> list[str]:
    """Each text once: plain where all say it, else after the names of those that do."""
    by_text: dict[str, list[str]] = {}
    for organization, said in texts.items():
        for text in dict.fromkeys(said):
            by_text.setdefault(text, []).append(organization)
    return [
        text if len(names) == len(texts) else f"{', '.join(names)}: {text}" for text, names in by_text.items()
    ]
