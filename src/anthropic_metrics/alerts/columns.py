"""Which columns of an ES|QL answer make an alert's id, read from the query as Kibana reads it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

_OPEN, _CLOSE = "([{", ")]}"


def id_columns(query: str, columns: Sequence[str]) -> list[str]:
    """The columns of the last `STATS ... BY` (also `INLINE STATS`), later RENAMEs followed, dropped ones left
    out; without any, `_id` where it survives, else every column.
    """
    commands = [part.strip() for part in _split(query, "|")]
    last = max((n for n, command in enumerate(commands) if _is_stats(command)), default=None)
    keys = [] if last is None else _keys(commands[last])
    for command in commands[(last or 0) + 1 :]:
        keys = _renamed(keys, command)
    kept = [key for key in keys if key in columns]
    if kept:
        return kept
    return ["_id"] if "_id" in columns else list(columns)


def _is_stats(command: str) -> bool:
    words = command.upper().split(None, 2)
    return words[:1] in (["STATS"], ["INLINESTATS"]) or words[:2] == ["INLINE", "STATS"]


def _keys(stats: str) -> list[str]:
    """Names after BY: inline ones, else the expression's own text."""
    *_, by = _split(stats, " BY ")
    if by == stats:
        return []
    return [_unquoted(next(_split(part, "=")).strip()) for part in _split(by, ",")]


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
        if quote:
            quote = "" if character == quote and query[place - 1] != "\\" else quote
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
