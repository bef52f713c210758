"""The command line. Exit codes: 0 done, 1 something was not, 2 wrong usage or configuration, 3 no
answer to a question whose answer may be 1."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from typing import Annotated

import typer

from anthropic_metrics import __version__, deferred, signals
from anthropic_metrics.cli import streams
from anthropic_metrics.cli.late import LateGroup
from anthropic_metrics.errors import MetricsError, Stopped
from anthropic_metrics.links import page, see
from anthropic_metrics.redaction import printable, redact

__all__ = ["app", "main"]

# New objects before the collector looks for cycles. Rows and documents make none, and looking every 700
# objects, Python's default, costs an eighth of a backfill's CPU.
COLLECT_AFTER = 50_000

app = typer.Typer(
    name="anthropic-metrics",
    cls=LateGroup,
    help="Keeps Anthropic usage, cost and rate limits correct in your own Elasticsearch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"anthropic-metrics {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    _version_: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Before a command runs: what nobody catches is logged from here on."""
    from anthropic_metrics.logs import catch_uncaught

    catch_uncaught()


def main() -> None:
    """Run a command; every error of ours becomes one readable message, never a traceback."""
    streams.guard()
    gc.set_threshold(COLLECT_AFTER)
    try:
        with signals.interrupting(), streams.flushed():
            app()
    except Stopped:
        sys.exit(signals.exit_code())
    except MetricsError as error:
        sys.exit(_complain(error, error.exit_code))
    except streams.OutputLost as error:
        _complain(MetricsError(f"The output cannot be written: {error.strerror}."), 1)
        streams.abandon()
        sys.exit(1)


def _complain(error: MetricsError, code: int) -> int:
    """Print the message with its cure and where to read more, in place of warnings that led to it."""
    deferred.discard()
    lines = redact.scrub(f"anthropic-metrics: {error}").split("\n")
    if address := see(str(error)) or (page("troubleshooting.md") if error.cure else ""):
        lines.append(f"See {address}")
    with suppress(streams.OutputLost):
        sys.stderr.write("\n".join(map(printable, lines)) + "\n")
    return code
