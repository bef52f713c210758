"""How the commands' results are printed: as a table, as CSV or as JSON.

A command returns an `Answer` of tables; `@answers` names their layouts, adds `--format` and prints it:

    FOUND = Layout("corrections", Column("noticed", "time"), Column("old", "decimal"), Column("why"))

    @answers(FOUND)
    def corrections(config: ConfigOption = None) -> Answer:
        return Answer(FOUND.table(rows, empty="No corrections."), notes=("...",), code=0)

A row is a sequence of values (text, numbers, Decimal, aware datetimes, timedeltas, None, Absent), not of
formatted texts: each format writes them its own way. Names of layouts and columns are an interface: scripts
read them.
Text from elsewhere needs no care: no cell is markup, and secrets and control characters are removed.
`say` prints one sentence to standard error in the same way.
"""

from __future__ import annotations

import csv
import inspect
import io
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, ParamSpec

import typer

from anthropic_metrics.cli.cells import Kind, data, shown
from anthropic_metrics.errors import MetricsError
from anthropic_metrics.kernel.absent import Absent
from anthropic_metrics.redaction import clean, no_formula

P = ParamSpec("P")
NUMBERS = frozenset({"integer", "number", "decimal", "share"})
UNANSWERED = 3
"""The exit code of a command that cannot tell, where 1 is an answer."""
TABLES_ATTRIBUTE = "answer_layouts"
SCHEMA_ATTRIBUTE = "file_schema"


class Format(StrEnum):
    """How a result is printed."""

    table = "table"
    csv = "csv"
    json = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="How to print the result.")]


@dataclass(frozen=True)
class Column:
    """One column: its name in CSV and JSON, what its values are, and how a table shows them.

    `title` heads it in a table (else the name with blanks), `show` turns a value into its text there,
    `styles` colours cells by that text, up to a colon; `missing` stands for None. `table=False`: only in CSV
    and JSON. `always=False`: in the layout that is published, a column that a table may lack. `values`: all
    that the texts of a column may be.
    """

    name: str
    kind: Kind = "text"
    title: str = ""
    show: Callable[[Any], str] | None = None
    styles: Mapping[str, str] = field(default_factory=dict)
    missing: str = "-"
    table: bool = True
    always: bool = True
    values: tuple[str, ...] = ()

    @property
    def head(self) -> str:
        return self.title or self.name.replace("_", " ")

    def cell(self, value: object) -> str:
        """The value as a table shows it."""
        if value is None:
            return self.missing
        if isinstance(value, Absent):
            return value
        return clean(self.show(value) if self.show else shown(value, self.kind))


@dataclass(frozen=True)
class Table:
    """Rows under a layout. `title` stands above them; without rows only `empty` is printed, if it is given.

    A printed table leaves out the rows after the first `most` and counts them; CSV and JSON have them all.
    """

    layout: Layout
    rows: Sequence[Sequence[Any]]
    title: str = ""
    empty: str = ""
    most: int | None = None

    def cells(self) -> list[list[str]]:
        """The rows as a table has them: one text for each of the layout's `shown` columns."""
        return [
            [
                column.cell(value)
                for column, value in zip(self.layout.columns, row, strict=True)
                if column.table
            ]
            for row in self.rows[: self.most]
        ]

    def objects(self) -> list[dict[str, Any]]:
        """The rows as JSON has them."""
        names = [column.name for column in self.layout.columns]
        return [{name: data(value) for name, value in zip(names, row, strict=True)} for row in self.rows]


class Layout:
    """The columns of a table, under the name that the table has in JSON.

    `further` is a pattern for the names of further tables with these columns.
    """

    def __init__(self, name: str, *columns: Column, further: str = "") -> None:
        self.name = name
        self.columns = columns
        self.further = further

    @property
    def shown(self) -> tuple[Column, ...]:
        """The columns of a printed table."""
        return tuple(column for column in self.columns if column.table)

    def table(
        self, rows: Sequence[Sequence[Any]], *, title: str = "", empty: str = "", most: int | None = None
    ) -> Table:
        return Table(self, rows, title, empty, most)


class Answer:
    """What a command found: tables, sentences about them, problems, and its exit code.

    `notes` stand below the tables, with CSV and JSON on standard error; `problems` always on standard error.
    `footnotes` are about how printed tables show their values: CSV and JSON go without.
    `plain` is printed instead of the tables unless CSV or JSON is asked for.
    """

    def __init__(
        self,
        *tables: Table,
        notes: Sequence[str] = (),
        problems: Sequence[str] = (),
        code: int = 0,
        plain: str | None = None,
        footnotes: Sequence[str] = (),
    ) -> None:
        self.tables = tables
        self.notes = tuple(notes)
        self.problems = tuple(problems)
        self.code = code
        self.plain = plain
        self.footnotes = tuple(footnotes)


def answers(*layouts: Layout, verdict: bool = False) -> Callable[[Callable[P, Answer]], Callable[P, None]]:
    """Make a command of a function that returns an Answer: it gets `--format`, is printed and exits.

    `verdict`: exit code 1 is an answer, such as "exceeded", so an error that would end the command with 1
    ends it with UNANSWERED. In any other command UNANSWERED is a failure like every other: 1.
    """

    def decorate(function: Callable[P, Answer]) -> Callable[P, None]:
        @wraps(function)
        def command(*args: P.args, **kwargs: P.kwargs) -> None:
            chosen = Format(str(kwargs.pop("format", Format.table)))
            try:
                answer = function(*args, **kwargs)
            except MetricsError as error:
                if verdict and error.exit_code == 1:
                    error.exit_code = UNANSWERED
                raise
            show(answer, chosen)
            raise typer.Exit(1 if answer.code == UNANSWERED and not verdict else answer.code)

        signature = inspect.signature(function, eval_str=True)
        option = inspect.Parameter(
            "format", inspect.Parameter.KEYWORD_ONLY, default=Format.table, annotation=FormatOption
        )
        vars(command)["__signature__"] = signature.replace(
            parameters=[*signature.parameters.values(), option], return_annotation=None
        )
        vars(command)[TABLES_ATTRIBUTE] = layouts
        return command

    return decorate


def show(answer: Answer, format: Format = Format.table) -> None:
    """Print an answer: tables to standard output, problems to standard error."""
    if format is Format.table and answer.plain is not None:
        sys.stdout.write(answer.plain)
    elif format is Format.table:
        _print_tables(answer)
    else:
        sys.stdout.write(_csv(answer) if format is Format.csv else _json(answer))
        for note in answer.notes:
            say(note)
    for problem in answer.problems:
        say(problem, style="red")


def say(text: str, *, style: str = "") -> None:
    """One sentence on standard error, literally."""
    _write([[(line, style)] for line in map(clean, text.split("\n"))], stderr=True)


def _print_tables(answer: Answer) -> None:
    from anthropic_metrics.cli.grid import lines, width_of

    width = width_of(sys.stdout)
    for number, table in enumerate(table for table in answer.tables if table.rows or table.empty):
        if number:
            _write([[]])
        _write(list(lines(table, width)))
    _write([[(clean(note), "")] for note in (*answer.footnotes, *answer.notes)])


def _write(lines: Sequence[Sequence[tuple[str, str]]], *, stderr: bool = False) -> None:
    """Lines of styled pieces; styles only where the stream is a terminal that takes them."""
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=stderr, markup=False, highlight=False, emoji=False)
    for line in lines:
        console.print(Text.assemble(*line), soft_wrap=True)


def _csv(answer: Answer) -> str:
    """Every layout with a line of names; an empty line between two layouts."""
    out = io.StringIO()
    layout = None
    for table in answer.tables:
        writer = csv.writer(out, lineterminator="\n")
        if table.layout is not layout:
            out.write("\n" if layout else "")
            writer.writerow([column.name for column in table.layout.columns])
        layout = table.layout
        writer.writerows([[_field(value) for value in row] for row in table.rows])
    return out.getvalue()


def _field(value: object) -> str:
    plain = data(value)
    if isinstance(plain, list):
        plain = " ".join(map(str, plain))
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return str(plain).lower()
    text = str(plain)
    typed = isinstance(value, int | float | Decimal)
    return text if typed else no_formula(text)


def _json(answer: Answer) -> str:
    """One object: each table's rows under its name, then notes and problems."""
    body: dict[str, Any] = {}
    for table in answer.tables:
        body.setdefault(table.layout.name, []).extend(table.objects())
    body["notes"] = list(map(clean, answer.notes))
    body["problems"] = list(map(clean, answer.problems))
    return json_text(body, indent=2) + "\n"


def json_text(value: Any, *, indent: int | None = None) -> str:
    """JSON as standard output can take it: a character that its encoding lacks is an escape of JSON's."""
    encoding = (sys.stdout.encoding or "").lower().replace("-", "").replace("_", "")
    return json.dumps(value, indent=indent, ensure_ascii=encoding != "utf8")
