"""Which columns of an ES|QL answer make an alert's id, read from the query as Kibana's rule type reads it.

Kibana has two forms of it. The older one, in 8.19, 9.1 to 9.4 and early builds of 9.5, sees plain columns of
the last `STATS ... BY` only; what stands there as an assignment or an expression it does not see, and without
any column it takes all of them: then each moving number is a new alert. The newer one sees all three, and
`INLINE STATS` too. Before 8.19 and in 9.0 there is one alert for all rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal

Form = Literal["older", "newer"]
FORMS: tuple[Form, ...] = ("older", "newer")
# The id of the one alert of a rule that groups all rows.
ALL_ROWS = "query matched"
_NAME = re.compile(r"`(?:[^`]|``)+`|[\w@.]+")
_OPEN, _CLOSE = "([{", ")]}"


def alert_ids(body: Mapping[str, Any], columns: Sequence[str], rows: Sequence[Any], form: Form) -> set[str]:
    """The ids of the alerts that a rule of this body has active when its query answers with these rows."""
    params = body["params"]
    if params["groupBy"] == "all":
        return {ALL_ROWS} if rows else set()
    keys = id_columns(params["esqlQuery"]["esql"], columns, form)
    places = [columns.index(key) for key in keys]
    ids = (",".join(str(row[place]) for place in places if row[place] is not None) for row in rows)
    return {identity for identity in ids if identity}


def id_columns(query: str, columns: Sequence[str], form: Form) -> list[str]:
    """The columns of the last BY, later RENAMEs followed, dropped ones left out; without any, `_id` where it
    survives, else every column.
    """
    left = [key for key in _named(query, form) if key in columns]
    if left:
        return left
    return ["_id"] if "_id" in columns else list(columns)


@cache
def _named(query: str, form: Form) -> tuple[str, ...]:
    keys: list[str] = []
    for command in map(str.strip, _split(query, "|")):
        if _is_stats(command, form):
            keys = list(_keys(command, form))
        keys = _renamed(keys, command)
    return tuple(keys)


def last_by(query: str) -> list[str]:
    """The entries of the last BY as they are written."""
    stats = [command for command in map(str.strip, _split(query, "|")) if _is_stats(command, "newer")]
    return [part.strip() for part in _by(stats[-1])]


def is_plain(entry: str) -> bool:
    """Whether an entry of a BY is a column's name and nothing more."""
    return _NAME.fullmatch(entry) is not None


def _is_stats(command: str, form: Form) -> bool:
    words = command.upper().split(None, 2)
    if words[:1] == ["INLINESTATS"] or words[:2] == ["INLINE", "STATS"]:
        return form == "newer"
    return words[:1] == ["STATS"]


def _by(stats: str) -> list[str]:
    *_, by = _split(stats, " BY ")
    return [] if by == stats else list(_split(by, ","))


def _keys(stats: str, form: Form) -> Iterator[str]:
    for part in _by(stats):
        name, *expression = (side.strip() for side in _split(part, "="))
        if form == "newer" or (not expression and is_plain(name)):
            yield _unquoted(name)


def _renamed(keys: list[str], command: str) -> list[str]:
    if not command.upper().startswith("RENAME "):
        return keys
    names = {}
    for part in _split(command[len("RENAME ") :], ","):
        old, _, new = part.replace(" AS ", " as ").partition(" as ")
        names[_unquoted(old.strip())] = _unquoted(new.strip())
    return [names.get(key, key) for key in keys]


def _unquoted(name: str) -> str:
    return name[1:-1].replace("``", "`") if name.startswith("`") and name.endswith("`") else name


def _split(query: str, separator: str) -> Iterator[str]:
    """Parts between separators that stand in no text, quoted name or bracket; letters match in any case."""
    part, quote, depth, place = "", "", 0, 0
    while place < len(query):
        character = query[place]
        if quote == '"' and character == "\\":
            part, place = part + query[place : place + 2], place + 2
            continue
        if quote:
            quote = "" if character == quote else quote
        elif character in '"`':
            quote = character
        elif character in _OPEN or character in _CLOSE:
            depth += 1 if character in _OPEN else -1
        elif not depth and query[place : place + len(separator)].upper() == separator:
            yield part
            part, place = "", place + len(separator)
            continue
        part += " " if character == "\n" and not quote else character
        place += 1
    yield part
