"""A YAML file as nested dictionaries, with the place of a mistake when there is one."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from anthropic_metrics import files, quoting
from anthropic_metrics.errors import ConfigError

_DEEPEST = 20
_MOST_NODES = 20_000  # counted with every alias written out


class _Loader(yaml.SafeLoader):
    """Refuses what is never meant: a key given twice, of which YAML keeps the last, and a text without end.

    Aliases are counted as what they stand for: nine lines of them can stand for a billion values.
    """

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self._depth = 0
        self._nodes = 0
        self._sizes: dict[str, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # PyYAML's stubs leave it out
        anchor, before = getattr(event, "anchor", None), self._nodes
        is_alias = isinstance(event, yaml.AliasEvent)
        if is_alias and anchor in self.anchors and anchor not in self._sizes:
            raise yaml.MarkedYAMLError(problem="an alias refers to itself", problem_mark=event.start_mark)
        self._nodes += self._sizes.get(anchor, 1) if is_alias and anchor else 1
        self._depth += 1
        if self._depth > _DEEPEST or self._nodes > _MOST_NODES:
            what = "deeper" if self._depth > _DEEPEST else "longer"
            raise yaml.MarkedYAMLError(
                problem=f"{what} than a configuration can be", problem_mark=event.start_mark
            )
        node = super().compose_node(parent, index)
        self._depth -= 1
        if anchor and not is_alias:
            self._sizes[anchor] = self._nodes - before
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {quoting.name(key)} is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# Dates stay text: our own check of them has the better message.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def parse(text: str) -> Any:
    """The value of a YAML text; yaml.YAMLError or ValueError where it has none."""
    return yaml.load(text, _Loader)  # noqa: S506  (a SafeLoader)


def read_yaml(path: Path) -> dict[str, Any]:
    """The sections of `path`, none for an empty file; ConfigError says where it cannot be read."""
    shown = quoting.path(path)
    try:
        content = parse(files.read_text(path, files.CONFIGURATION))
    except OSError as error:
        raise ConfigError(
            f"{shown}: cannot be read: {error.strerror or error}.",
            cure="Name another file with --config or ANTHROPIC_METRICS_CONFIG, or write one with "
            "`anthropic-metrics config init`.",
        ) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{shown}: is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{shown}: {_place(error)}is not valid YAML: {_reason(error)}") from None
    except ValueError:
        raise ConfigError(f"{shown}: holds a tag with a value that does not fit it") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise ConfigError(f"{shown}: must hold sections such as `anthropic:`, not a {type(content).__name__}")
    return {str(name): value for name, value in content.items()}


def _place(error: yaml.YAMLError) -> str:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    """The parser's own words without the text that it quotes, which may be part of a password, and a cure."""
    words = str(error.problem) if isinstance(error, yaml.MarkedYAMLError) else "unreadable characters"
    if "'\\t'" in words:
        return "a tab begins the line (indent with spaces; YAML does not allow tabs)"
    plain = re.sub(r" ?'[^']{2,}'", "", words)
    if any(own in words for own in ("than a configuration can be", "given twice", "refers to itself")):
        return plain
    if "mapping values are not allowed" in words or "block end" in words or "block mapping" in words:
        return f"{plain} (check the indentation: keys of one section must begin in the same column)"
    return f"{plain} (put a value that holds special characters in quotes)"
