"""A YAML file as nested dictionaries, with the place of a mistake when there is one."""

from __future__ import annotations

import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from anthropic_metrics.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """Refuses a key given twice, of which YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key} is given twice", problem_mark=key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# Dates stay text: our own check of them has the better message.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml(path: Path) -> dict[str, Any]:
    """The sections of `path`, none for an empty file; ConfigError says where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        found = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        cure = "Name another with --config or ANTHROPIC_METRICS_CONFIG."
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}.", cure=cure) from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: {_place(error)}is not valid YAML: {_reason(error)}") from None
    except ValueError:
        raise ConfigError(f"{path}: holds a tag with a value that does not fit it") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path}: must hold sections such as `anthropic:`, not a {type(found).__name__}")
    return {str(name): value for name, value in found.items()}


def _place(error: yaml.YAMLError) -> str:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    return f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""


def _reason(error: yaml.YAMLError) -> str:
    """The parser's own words without the text that it quotes: that may be part of a password."""
    words = str(error.problem) if isinstance(error, yaml.MarkedYAMLError) else "unreadable characters"
    quoted = re.sub(r" ?'[^']{2,}'", "", words)
    return f"{quoted} (put a value that holds special characters in quotes)"
