"""What the commands share: options, configuration, consoles, dates, progress."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from anthropic_metrics import logs
from anthropic_metrics.cli.render import say
from anthropic_metrics.config import Config
from anthropic_metrics.config.load import load_with_origins
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.streams.registry import ONLY

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        help="Configuration file; by default ANTHROPIC_METRICS_CONFIG, then ./config.yaml.",
        show_default=False,
    ),
]


PollerName = StrEnum("PollerName", {name: name for name in ONLY})  # type: ignore[misc] # made from the registry


OnlyOption = Annotated[
    list[PollerName] | None,
    typer.Option("--only", help="Only this poller; repeat it for several.", show_default=False),
]


EmbeddedOption = Annotated[
    bool,
    typer.Option("--embedded", help="Use the data of `once --embedded` or `run --embedded` on this machine."),
]

OwnServerOption = Annotated[
    bool,
    typer.Option("--embedded", help="Use an Elasticsearch on this machine instead of a cluster."),
]


def load(path: Path | None, *, embedded: bool = False, polls: bool = False) -> Config:
    """The configuration, with logging set up as it says and its cautions logged.

    A command that does not poll answers with a table: it prints cautions as sentences, its warnings come
    after its output, and it logs no event that only informs, unless `log.level` asks for all of them.
    `embedded`: its cluster is the embedded server, until the process ends; RetryLater if it has no data.
    """
    loaded = load_with_origins(path)
    config = loaded.config
    if embedded:
        from anthropic_metrics.cli.cluster import until_exit

        config = until_exit(config)
    informs = polls or config.log.level != "info"
    logs.configure(config.log.level if informs else "warning", config.log.format, deferred=not informs)
    log = logs.get_logger(__name__)
    if not polls:
        for sentence in (*config.cautions(), *loaded.hints()):
            say(f"Warning: {sentence}", style="yellow")
        return config
    for caution in config.cautions():
        log.warning("unsafe_configuration", reason=caution)
    for hint in loaded.hints():
        log.warning("configuration_hint", reason=hint)
    return config


def check_workspace(wanted: str, known: Mapping[str, str]) -> None:
    """ConfigError, with the nearest name, where `wanted` is no id or name in `known` (names by id)."""
    if known and wanted not in known and wanted not in known.values():
        near = get_close_matches(wanted.lower(), {name.lower(): name for name in known.values()}, n=1)
        named = [name for name in known.values() if name.lower() in near]
        hint = f"did you mean {named[0]}?" if named else f"known are {', '.join(sorted(known.values())[:10])}"
        raise ConfigError(f"--workspace: there is no workspace {wanted!r} in the data; {hint}")
