"""docs/commands.md, made from the commands: `python -m anthropic_metrics.cli.reference --write | --check`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from anthropic_metrics.cli.late import COMMANDS, registered
from anthropic_metrics.cli.render import SCHEMA_ATTRIBUTE, TABLES_ATTRIBUTE, Column, Layout

TARGET = Path(__file__).parents[3] / "docs/commands.md"

_HEAD = """\
# Commands

Made from the code by `scripts/docs`; do not edit. `anthropic-metrics COMMAND -h` says the same, and
`anthropic-metrics --install-completion` completes commands and options in your shell.

Exit codes: 0, done; 1, something failed or differs; 2, wrong usage or configuration; 3, `audit` or `budgets`
cannot tell, because a server does not answer or there is no data. Results go to standard output, logs and
problems to standard error.

`--format csv` and `--format json` print the columns below under these names, with exact values: times in UTC,
decimals as text in JSON, durations as in the configuration. JSON is one object with a list for each table,
`notes` and `problems`; each command below links to its JSON Schema. In CSV, a text that a spreadsheet would
take for a formula begins with an apostrophe, and an empty line separates two tables.

A date is a day (`2026-01-01`), a time (`2026-01-01T12:00Z`), a length back from now (`7d`, `-12h`), or one of
`now`, `today`, `yesterday`, `this-week`, `last-week`, `this-month`, `last-month`, `this-year`.
"""


def commands() -> Iterator[tuple[str, Any]]:
    """Every command with its full name, `alerts list`, in the order of the help."""
    for name, (module, _) in COMMANDS.items():
        command = registered(module)[name]
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            yield from ((f"{name} {below}", command) for below, command in inner.items())


def reference() -> str:
    """The text of docs/commands.md."""
    lines = [_HEAD]
    for name, command in commands():
        lines += [f"## {name}", "", _words(command.help or ""), ""]
        rows = [_option(parameter) for parameter in command.params if parameter.name != "help"]
        if rows:
            lines += ["| option | meaning | value | default |", "|---|---|---|---|", *rows, ""]
        layouts: tuple[Layout, ...] = getattr(command.callback, TABLES_ATTRIBUTE, ())
        for layout in layouts:
            columns = ", ".join(map(_column, layout.columns))
            lines += [f"Table `{layout.name}`: {columns}.", ""]
        if layouts or hasattr(command.callback, SCHEMA_ATTRIBUTE):
            file = f"{name.replace(' ', '-')}.json"
            lines += [f"JSON Schema: [{file}](schemas/{file}).", ""]
    return "\n".join(lines).rstrip() + "\n"


def _column(column: Column) -> str:
    return f"`{column.name}` ({column.kind}{'' if column.always else ', if requested'})"


def _words(text: str) -> str:
    """The help as one paragraph per paragraph."""
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _option(parameter: Any) -> str:
    """A row of the table of options; an argument stands there under its name."""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    flag = getattr(parameter, "is_flag", False)
    return f"| {names} | {_help(parameter)} | {'' if flag else _value(parameter)} | {_default(parameter)} |"


def _value(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    kind = next(iter(get_args(annotation)), annotation)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{member.value}`" for member in kind)
    return {int: "number", Path: "path"}.get(kind, "text")


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    default = parameter.default
    if default is None or isinstance(default, bool) or callable(default):
        return ""
    return f"`{default}`"


def _help(parameter: Any) -> str:
    return (getattr(parameter, "help", None) or "").replace("|", "\\|")


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        TARGET.write_text(reference(), encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text("utf-8") == reference():
        return 0
    sys.stderr.write(f"{TARGET.name} is not what the commands say: run scripts/docs\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
