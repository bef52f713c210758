"""The columns a query puts out, read from its text: as much of ES|QL as the dashboards use."""

from __future__ import annotations

import re

COMMANDS = {
    "FROM",
    "WHERE",
    "EVAL",
    "STATS",
    "SORT",
    "LIMIT",
    "KEEP",
    "DROP",
    "RENAME",
    "MV_EXPAND",
    "DISSECT",
}
# What ES|QL of 8.17 has; a function that is not here is looked up in its reference before it is added.
FUNCTIONS = {
    *("ABS", "BUCKET", "CASE", "COALESCE", "CONCAT", "COUNT", "COUNT_DISTINCT", "MAX", "MIN", "SUM"),
    *("DATE_DIFF", "DATE_EXTRACT", "DATE_FORMAT", "DATE_TRUNC", "NOW", "STARTS_WITH", "VALUES"),
    *("AVG", "LENGTH", "PERCENTILE", "REPLACE", "SUBSTRING", "TO_BOOLEAN"),
    *("MV_APPEND", "TO_DATETIME", "TO_DOUBLE", "TO_LONG", "TO_STRING", "TO_UPPER"),
}
# Words of the grammar, in this version or a later one, that no column may be called.
RESERVED = {
    "and",
    "as",
    "asc",
    "by",
    "desc",
    "false",
    "first",
    "in",
    "is",
    "last",
    "like",
    "not",
    "null",
    "nulls",
}
RESERVED |= {"on", "or", "rlike", "true", "where", "with", "metadata", "join", "info", "sample", "fork"}

_OPEN, _CLOSE = "([", ")]"


def commands(query: str) -> list[tuple[str, str]]:
    """Each command with its text."""
    found = []
    for part in split(query, "|"):
        name, _, rest = part.strip().partition(" ")
        found.append((name.upper(), rest.strip()))
    return found


def functions(query: str) -> set[str]:
    text = re.sub(r'"[^"]*"', '""', query)
    return set(re.findall(r"\b([A-Za-z_]+)\(", text)) - {"IN", "in"}


def groups(query: str) -> list[str]:
    """The columns by which the last STATS groups, as they are called in the result: they name a row of it."""
    found: list[str] = []
    for name, text in commands(query):
        if name == "STATS":
            found = [_target(each) for each in split(_halves(text)[2], ",") if each.strip()]
        elif name == "RENAME":
            renamed = dict(each.strip().split(" AS ") for each in split(text, ","))
            found = [renamed.get(each, each) for each in found]
    return found


def output_columns(query: str) -> list[str] | None:
    """The names in the result; None where the query keeps whatever its source has."""
    columns: list[str] | None = None
    for name, text in commands(query):
        if name == "STATS":
            values, _, groups = _halves(text)
            columns = [_target(each) for each in [*split(values, ","), *split(groups, ",")] if each.strip()]
        elif name == "EVAL" and columns is not None:
            columns += [new for each in split(text, ",") if (new := _target(each)) not in columns]
        elif name == "KEEP":
            columns = [each.strip() for each in split(text, ",")]
        elif name == "DROP" and columns is not None:
            dropped = {each.strip() for each in split(text, ",")}
            columns = [each for each in columns if each not in dropped]
        elif name == "RENAME" and columns is not None:
            renamed = dict(each.strip().split(" AS ") for each in split(text, ","))
            columns = [renamed.get(each, each) for each in columns]
    return columns


def split(text: str, separator: str) -> list[str]:
    """The parts at the outermost level: not inside brackets or quotes."""
    parts, depth, quoted, begin = [], 0, False, 0
    for place, sign in enumerate(text):
        if sign == '"':
            quoted = not quoted
        elif not quoted:
            depth += (sign in _OPEN) - (sign in _CLOSE)
            if sign == separator and depth == 0:
                parts.append(text[begin:place])
                begin = place + 1
    return [*parts, text[begin:]]


def _halves(text: str) -> tuple[str, str, str]:
    """What STATS computes, and what it groups by."""
    match = re.search(r"\sBY\s", text)
    return (text[: match.start()], "BY", text[match.end() :]) if match else (text, "", "")


def _target(expression: str) -> str:
    """The name that an expression gets: before the `=`, else its text."""
    match = re.match(r"\s*([@\w.]+)\s*=(?!=)", expression)
    return match[1] if match else expression.strip()
