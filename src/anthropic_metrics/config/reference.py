"""The reference of the configuration and the example file, made from the models.

`python -m anthropic_metrics.config.reference --write` in a checkout writes both, `--check` ends with 1 if
either differs from the models.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from anthropic_metrics.config.models import Config
from anthropic_metrics.config.origins import PLAIN_VARIABLES, variable_name
from anthropic_metrics.config.problems import KEYS, SECTIONS, Key
from anthropic_metrics.config.values import Backfill, format_duration

_ROOT = Path(__file__).parents[3]

_EXAMPLE_HEAD = """\
# Every key, with its default. Copy what you change to config.yaml, or name another file with --config.
# A line that begins with "# -" is the first of an example: uncomment it and the lines below it.
# ${NAME} and ${NAME:-default} stand for environment variables; docs/configuration.md has more.\
"""

# Lines to uncomment under a key that is a list of mappings; together they are a valid configuration.
EXAMPLES: dict[Key, str] = {
    ("budgets",): """\
- name: everything
  usd: 5000
- name: research, by the week
  usd: 800
  period: weekly
  workspace: Research
  levels: [80, 100]
""",
    ("teams",): """\
- team: research
  workspaces: [Research]
  tags: [team=research]
  cost_centre: "4711"
- team: platform
  workspaces: [Production, Staging]
  api_keys: [assistant-api]
""",
}

_REFERENCE_HEAD = """\
# Configuration

Made from the code by `scripts/docs`; do not edit. `config.example.yaml` holds every key with its default.

The agent reads the file that `--config` names, or else `ANTHROPIC_METRICS_CONFIG`, or else `config.yaml` in
the working directory. You can start without a file: `ANTHROPIC_ADMIN_API_KEY` and `ELASTICSEARCH_URL` are
enough.

For each key, the agent uses the first of these sources that has a value:

1. the key's environment variable (last column; two underscores join a section and its key),
2. the file, in which `${NAME}` and `${NAME:-default}` stand for environment variables and `$${` for `${`,
3. the variable that other tools use too, such as `ELASTICSEARCH_URL` (see the descriptions); the agent warns
   about similar variables that it does not read, such as `ELASTIC_PASSWORD`,
4. the default.

If one source gives a credential in any form, the agent ignores all forms of it in later sources:
`admin_key_file` in the file takes precedence over `ANTHROPIC_ADMIN_API_KEY`. An empty environment variable
counts as not set. If two sources give different secrets for the same server, a warning names both and says
which one is used.

A duration is a whole number and a unit: `90s`, `5m`, `1h`, `30d`. In an environment variable, write a list as
`model, speed` or `[model, speed]`. An unknown key or an invalid value is an error: the agent reports every
problem at once and ends with exit code 2.

`run` reads the configuration once, when it starts: restart it after a change. A change of `retention` takes
effect with the next `anthropic-metrics setup`. A change that concerns alert rules (`alerts`, `budgets`,
`organizations`) reaches the rules in Kibana with the next `setup` or `alerts install`.
"""


def example() -> str:
    """The text of config.example.yaml."""
    lines = [_EXAMPLE_HEAD]
    section = ""
    for key, field in KEYS.items():
        if key[0] != section:
            section = key[0]
            lines += ["", *([f"{section}:"] if len(key) > 1 else [])]
        indent = "  " * (len(key) - 1)
        lines.append(f"{indent}# {field.description}")
        lines.append(f"{indent}{key[-1]}: {_example_value(key, field)}".rstrip())
        lines += [f"  # {line}" for line in EXAMPLES.get(key, "").splitlines()]
    return "\n".join(lines) + "\n"


def _example_value(key: Key, field: FieldInfo) -> str:
    plain = next((name for name, plain_key in PLAIN_VARIABLES.items() if plain_key == key), None)
    if plain:
        return f"${{{plain}:-}}"
    if key in EXAMPLES:
        return ""
    # A number has no empty value but an empty text.
    return '""' if field.annotation == float | None and field.default is None else _shown(field)


def reference() -> str:
    """The text of docs/configuration.md."""
    lines = [_REFERENCE_HEAD]
    single = [(key, field) for key, field in KEYS.items() if len(key) == 1]
    lines += ["## Top level\n", *_table(single)]
    for section in (name for name in Config.model_fields if (name,) in SECTIONS):
        lines += [
            f"## {section}\n",
            *_table((key, field) for key, field in KEYS.items() if key[0] == section),
        ]
    return "\n".join(lines).rstrip() + "\n"


def _table(fields: Iterable[tuple[Key, FieldInfo]]) -> Iterator[str]:
    yield "| key | meaning | value | default | environment variable |"
    yield "|---|---|---|---|---|"
    for key, field in fields:
        shown = _shown(field)
        default = f"`{shown}`" if shown else ""
        what = f"`{key[-1]}` | {field.description} | {_kind(field.annotation)} | {default}"
        yield f"| {what} | `{variable_name(key)}` |"
    yield ""


def _shown(field: FieldInfo) -> str:
    """The default as YAML; empty if there is none."""
    match field.default:
        case None:
            return "none" if field.annotation == timedelta | None else ""
        case bool():
            return str(field.default).lower()
        case timedelta():
            return format_duration(field.default)
        case tuple():
            return f"[{', '.join(map(str, field.default))}]"
    return str(field.default)


def _kind(annotation: Any) -> str:
    """What a person calls the type of a key."""
    names: dict[Any, str] = {
        bool: "true or false",
        int: "number",
        float: "number",
        str: "text",
        Path: "path",
        SecretStr: "secret",
    }
    names |= {timedelta: "duration", Backfill: "duration or day", timedelta | None: "duration or `none`"}
    if annotation in names:
        return names[annotation]
    if get_origin(annotation) is Literal:
        return "one of " + ", ".join(f"`{value}`" for value in get_args(annotation))
    if get_origin(annotation) is tuple:
        return "list"
    if get_origin(annotation) is dict:
        return "mapping"
    return _kind(next(kind for kind in get_args(annotation) if kind is not type(None)))


def main(arguments: list[str]) -> int:
    wanted = {_ROOT / "docs/configuration.md": reference(), _ROOT / "config.example.yaml": example()}
    if arguments == ["--write"]:
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [
        path.name for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text
    ]
    if stale:
        sys.stderr.write(f"{', '.join(stale)}: differs from the code; run scripts/docs\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
