"""The command line. Exit codes: 0 done, 1 something was not, 2 wrong usage or configuration."""

from __future__ import annotations

import sys

import typer

from anthropic_metrics import signals
from anthropic_metrics.cli import (
    alerts,
    dashboards,
    demo,
    headroom,
    inspect,
    install,
    polling,
    streams,
    trust,
)
from anthropic_metrics.errors import ConfigError, MetricsError, Stopped
from anthropic_metrics.logs import catch_uncaught
from anthropic_metrics.redaction import printable, redact

__all__ = ["app", "main"]

app = typer.Typer(
    name="anthropic-metrics",
    help="Anthropic usage, cost and rate limits in your own Elasticsearch, kept right.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (polling, install, inspect, trust, headroom, alerts, dashboards, demo):
    module.register(app)


def main() -> None:
    """Run a command; every error of ours becomes one readable message, never a traceback."""
    streams.guard()
    catch_uncaught()
    try:
        with signals.interrupting():
            app()
    except ConfigError as error:
        sys.exit(_complain(error, 2))
    except Stopped:
        sys.exit(signals.exit_code())
    except MetricsError as error:
        sys.exit(_complain(error, 1))


def _complain(error: MetricsError, code: int) -> int:
    lines = redact.scrub(f"anthropic-metrics: {error}").split("\n")
    sys.stderr.write("\n".join(map(printable, lines)) + "\n")
    return code
