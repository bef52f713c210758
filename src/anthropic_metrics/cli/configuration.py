"""`config`: begin a configuration, check it, see what is in force, and let an editor know it."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from anthropic_metrics.cli.common import ConfigOption
from anthropic_metrics.cli.late import NamingGroup
from anthropic_metrics.cli.render import Answer, Column, Layout, answers, say
from anthropic_metrics.config.load import load_with_origins
from anthropic_metrics.config.problems import KEYS, Key, dotted, is_secret
from anthropic_metrics.errors import ConfigError, not_written

VALUES = Layout("configuration", Column("key"), Column("value"), Column("origin"))
CHECKED = Layout("checked", Column("what"), Column("result"))
NEXT = """\
{output} is written. Set anthropic.admin_key in it, or ANTHROPIC_ADMIN_API_KEY. Then, without a cluster:
  anthropic-metrics costs{named}                  shows what last month cost
  anthropic-metrics once --embedded{named}        reads all data into an Elasticsearch on this machine
With a cluster, set elasticsearch.hosts too:
  anthropic-metrics check{named}                  shows what works, and how to fix the rest"""
MASK = "********"

commands = typer.Typer(
    cls=NamingGroup, help="The configuration: create, check and show it.", no_args_is_help=True
)


def register(app: typer.Typer) -> None:
    app.add_typer(commands, name="config")


@commands.command()
def init(
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; it must not exist.")] = Path(
        "config.yaml"
    ),
) -> None:
    """Write a commented file with every key and its default."""
    from anthropic_metrics.config.reference import example

    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(example())
    except FileExistsError:
        raise ConfigError(f"--output: {output} exists; name another file") from None
    except OSError as error:
        raise not_written(f"--output: {output}", error) from None
    named = "" if output == Path("config.yaml") else f" --config {shlex.quote(str(output))}"
    say(NEXT.format(output=output, named=named))


@commands.command()
@answers(CHECKED)
def validate(config: ConfigOption = None) -> Answer:
    """Read the configuration and the secret files that it names, without contacting a server.

    With exit code 2 it names every problem.
    """
    loaded = load_with_origins(config)
    settings = loaded.config
    secrets = [settings.elasticsearch.secret(), settings.kibana.secret()]
    admin = [own.anthropic for own in settings.per_organization()]
    secrets += [own.secret() for own in admin if own.admin_key or own.admin_key_file]
    for secret in secrets:
        if secret is not None:
            secret.get()
    rows = [(origin, "valid") for origin in sorted(set(loaded.origins.values()))] or [("defaults", "valid")]
    return Answer(CHECKED.table(rows), notes=[*settings.cautions(), *loaded.hints()])


@commands.command()
@answers(VALUES)
def show(config: ConfigOption = None) -> Answer:
    """Show every value in force and its source; secrets are masked."""
    loaded = load_with_origins(config)
    written = loaded.config.model_dump(mode="json")
    rows = [(dotted(key), _shown(key, _at(written, key)), _origin(key, loaded.origins)) for key in KEYS]
    return Answer(VALUES.table(rows), notes=[f"Warning: {hint}" for hint in loaded.hints()])


@commands.command("schema")
def print_schema() -> None:
    """Print the file's JSON Schema, for editors: `# yaml-language-server: $schema=config.schema.json`."""
    from anthropic_metrics.config.schema import schema

    sys.stdout.write(json.dumps(schema(), indent=2) + "\n")


def _at(written: Any, key: Key) -> Any:
    for name in key:
        written = written[name]
    return written


def _shown(key: Key, value: Any) -> str | None:
    """The value as the file would have it; a secret, also one in a list, as a mask."""
    if value in (None, "", [], {}):
        return None
    if is_secret(KEYS[key]):
        return MASK
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _origin(key: Key, origins: dict[Key, str]) -> str:
    return next((origin for path, origin in origins.items() if path[: len(key)] == key), "default")
