"""From a file and the environment to a Config.

Four layers, the higher wins key by key: variables `ANTHROPIC_METRICS_SECTION__KEY`, the file, the plain
variables that other tools use too (`ELASTICSEARCH_URL`), the defaults. Each value keeps its origin, so that a
problem is named where the user can mend it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from anthropic_metrics import quoting
from anthropic_metrics.config.budgets import OLD_KEYS
from anthropic_metrics.config.environment import OTHERS, PREFIX, faults, is_service_link, nearest
from anthropic_metrics.config.models import Config
from anthropic_metrics.config.organizations import OF_ONE
from anthropic_metrics.config.organizations import read as read_organizations
from anthropic_metrics.config.origins import (
    PLAIN_VARIABLES,
    PUTS_ASIDE,
    Layer,
    Leaf,
    Loaded,
    rivals,
    texts,
    variable_name,
)
from anthropic_metrics.config.problems import KEYS, SECRET_KEYS, SECTIONS, Key, Problem, dotted, explain
from anthropic_metrics.config.yaml_file import read_yaml
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.redaction import redact

# Keys of the older form of budgets.
OLD = frozenset(("budgets", key) for key in OLD_KEYS)
_ORGANIZATIONS: Key = ("organizations",)
_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}|\$\{")


_NOTHING = Leaf(None, "")


def load_config(path: Path | None, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration in force; ConfigError lists everything that is wrong with it.

    `path` is the file; without one it is `ANTHROPIC_METRICS_CONFIG`, else `./config.yaml` if there is one.
    """
    return load_with_origins(path, environ).config


def load_with_origins(path: Path | None, environ: Mapping[str, str] | None = None) -> Loaded:
    """The same, with where each value comes from."""
    environ = os.environ if environ is None else environ
    path = path or _default_path(environ)
    problems: list[Problem] = []
    problems += (Problem(name, "", text) for name, text in faults(environ))
    overrides = _from_environment(environ, problems)
    from_file = _from_file(path, environ) if path else {}
    layers = (overrides, from_file, _from_plain_variables(environ))
    layer = _checked(_merged(*layers), problems)
    _hide_secrets(layer)
    config = _validated(layer, problems)
    if problems or config is None:
        raise ConfigError(redact.scrub(_one_message(problems)))
    origins = {key: leaf.origin for key, leaf in layer.items()}
    return Loaded(config, origins, tuple(dict.fromkeys(rivals(layer, layers))))


def _default_path(environ: Mapping[str, str]) -> Path | None:
    if named := environ.get(f"{PREFIX}CONFIG"):
        return Path(named)
    here = Path("config.yaml")
    try:
        return here if here.exists() else None
    except OSError as error:
        raise ConfigError(
            f"config.yaml cannot be looked for in this folder: {error.strerror}; change to another one, or "
            "name the file with --config"
        ) from None


def _from_environment(environ: Mapping[str, str], problems: list[Problem]) -> Layer:
    layer: Layer = {}
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX) or not value:
            continue
        key = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if (key[:2] in KEYS or key[:2] in OLD) and len(key) > 2:
            text = f"is not read; write the whole value: {variable_name(key[:2])}='{{Production: 500}}'"
            problems.append(Problem(name, dotted(key[:2]), text))
        elif len(key) > 1 or key[0] in Config.model_fields:
            layer[key] = Leaf(value, name)
        elif is_service_link(name, value) or name.removeprefix(PREFIX) in OTHERS:
            continue
        elif meant := _single_underscore(key[0]):
            text = f"is not read; a section and its key take two underscores: {variable_name(meant)}"
            problems.append(Problem(name, dotted(meant), text))
        else:
            known = [*map(variable_name, KEYS), *(f"{PREFIX}{other}" for other in OTHERS)]
            problems.append(Problem(name, "", nearest(name, known)))
    return layer


def _single_underscore(name: str) -> Key | None:
    return next((key for key in KEYS if len(key) > 1 and "_".join(key) == name), None)


def _from_plain_variables(environ: Mapping[str, str]) -> Layer:
    layer: Layer = {}
    for name, key in PLAIN_VARIABLES.items():
        if environ.get(name):
            layer.setdefault(key, Leaf(environ[name], name))
    return layer


def _from_file(path: Path, environ: Mapping[str, str]) -> Layer:
    origin = quoting.path(path)
    return {key: _filled(value, origin, environ) for key, value in _leaves(read_yaml(path))}


def _filled(value: object, origin: str, environ: Mapping[str, str]) -> Leaf:
    try:
        return Leaf(_substituted(value, environ), _variable(value, environ) or origin)
    except ValueError as error:
        return Leaf(value, origin, problem=str(error))


def _variable(value: object, environ: Mapping[str, str]) -> str:
    """The variable that the whole value is taken from; empty where it is not."""
    match = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return match[1] if match and match[1] and environ.get(match[1]) else ""


def _leaves(mapping: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    for name, value in mapping.items():
        key = (*above, str(name))
        if isinstance(value, dict) and value:
            yield from _leaves(value, key)
        elif value or key not in SECTIONS:  # A section with nothing under it is as good as absent.
            yield key, value


def _merged(*layers: Layer) -> Layer:
    """The layers, highest first, as one."""
    merged: Layer = {}
    for layer in layers:
        aside = {(*key[:-1], other) for key in merged for other in PUTS_ASIDE.get(key[-1], ())}
        if merged.get(_ORGANIZATIONS, _NOTHING).value:
            aside |= {("anthropic", name) for name in OF_ONE}
        for key, leaf in layer.items():
            absent = leaf.value in (None, "") and key[-1] in PUTS_ASIDE
            if not absent and key not in aside:
                merged.setdefault(key, leaf)
    return merged


def _checked(merged: Layer, problems: list[Problem]) -> Layer:
    """What can be used of `merged`; the rest is a problem."""
    for key, leaf in merged.items():
        if leaf.problem:
            problems.append(Problem(leaf.origin, dotted(key), leaf.problem))
    return {key: leaf for key, leaf in merged.items() if not leaf.problem}


def _substituted(value: object, environ: Mapping[str, str]) -> object:
    """`value` with `${NAME}` replaced, in each item of a list and of the mappings in it."""
    if isinstance(value, list):
        return [_substituted(item, environ) for item in value]
    if isinstance(value, dict):
        return {name: _substituted(item, environ) for name, item in value.items()}
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, default = match[1], match[2]
        if match[0] == "$${":
            return "${"
        if name is None:
            raise ValueError(
                "has a ${ that does not begin ${NAME} or ${NAME:-default}; write $${ for the characters ${"
            )
        if default is not None:
            return environ.get(name) or default
        if name not in environ:
            raise ValueError(
                f"the environment variable {name} is not set; set it or write ${{{name}:-default}}"
            )
        return environ[name]

    return _REFERENCE.sub(replace, value)


def _hide_secrets(layer: Layer) -> None:
    """Hide every secret before anything is said about a value, and the user information of every URL."""
    for key, leaf in layer.items():
        value = leaf.value
        if key == _ORGANIZATIONS:
            with suppress(ValueError):
                value = read_organizations(value)
        for names, text in texts(value):
            if key[:2] in SECRET_KEYS or (key == _ORGANIZATIONS and ("anthropic", *names) in SECRET_KEYS):
                redact.add_url(text)
            user = text.partition("://")[2].rpartition("@")[0]
            if user and not any(letter.isspace() for letter in text):
                redact.add(user)
                redact.add(user.partition(":")[2])


def _validated(layer: Layer, problems: list[Problem]) -> Config | None:
    try:
        return Config.model_validate(_nested(layer))
    except ValidationError as error:
        for key, text in explain(error):
            problems.append(Problem(_origin(layer, key), dotted(key), text))
        return None


def _nested(layer: Layer) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, leaf in sorted(layer.items(), key=lambda item: len(item[0])):
        section = nested
        for name in key[:-1]:
            inner = section.setdefault(name, {})
            if not isinstance(inner, dict):
                break  # The section itself was given a value: that is the problem to report.
            section = inner
        else:
            section[key[-1]] = leaf.value
    return nested


def _origin(layer: Layer, key: Key) -> str:
    origins = [
        leaf.origin for path, leaf in layer.items() if path[: len(key)] == key or key[: len(path)] == path
    ]
    return origins[0] if origins else "configuration"


def _one_message(problems: list[Problem]) -> str:
    lines = [str(problem) for problem in problems]
    if len(lines) == 1:
        return lines[0]
    return "\n".join([f"{len(lines)} problems with the configuration:", *(f"  {line}" for line in lines)])
