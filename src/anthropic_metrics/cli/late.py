"""The commands by name, each imported when it is called: help and version need none of them."""

from __future__ import annotations

from difflib import get_close_matches
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

# Command: its module here, and its line in the list of commands.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("polling", "Poll until SIGTERM or Ctrl-C."),
    "once": ("polling", "Run every poller once, backfill included."),
    "backfill": ("polling", "Read an older range."),
    "preview": ("polling", "Print the documents as NDJSON; nothing is written."),
    "setup": ("install", "Install or upgrade templates, pipelines, dashboards, rules."),
    "check": ("inspect", "Check what works, and say how to fix the rest."),
    "healthcheck": ("inspect", "Ask the daemon on this machine whether it works."),
    "audit": ("trust", "Compare the streams with the Admin API."),
    "corrections": ("trust", "List figures that changed after they were written."),
    "spend": ("spend", "Show what was spent, highest amount first."),
    "costs": ("costs", "Show a month's cost by team, key, model or line; explain an invoice."),
    "report": ("report", "Write a month's report: html, xlsx, csv, json, focus."),
    "headroom": ("headroom", "Show how close usage came to each rate limit."),
    "budgets": ("budgets", "Show what is left of each budget, and when it runs out."),
    "keys": ("keys", "List API keys: unused, expiring, by workspace or owner."),
    "digest": ("digest", "Post or print a summary of a day or a week."),
    "alerts": ("alerts", "List, evaluate, install or export alert rules."),
    "dashboards": ("dashboards", "Render or export the dashboards without Kibana."),
    "config": ("configuration", "Create, check and show the configuration."),
    "demo": ("demo", "Run a simulated organization, Elasticsearch and the agent here."),
    "simulate": ("demo", "Serve an Admin API with a simulated organization."),
}

FEW = 6  # commands that fit a question


class NamingGroup(TyperGroup):
    """A group that answers an unknown command with those that look like it, a small group with all it has."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        known, name = self.list_commands(ctx), args[0]
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            near = get_close_matches(name, known) or (known if len(known) <= FEW else [])
            hint = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)


class LateGroup(NamingGroup):
    """A group whose commands come from COMMANDS."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        return registered(COMMANDS[cmd_name][0])[cmd_name]

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            # The validator's own word for any refusal says nothing to a reader.
            error.message = error.message.removeprefix("Value error, ")
            raise

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


def registered(module: str) -> dict[str, Any]:
    """The commands that a module of this package registers, by name."""
    app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(lambda: None)  # with one a single command stays a command of a group
    import_module(f"anthropic_metrics.cli.{module}").register(app)
    group: Any = typer.main.get_command(app)
    commands: dict[str, Any] = group.commands
    return commands
