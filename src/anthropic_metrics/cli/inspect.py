"""`check` and `healthcheck`: is everything in place, and does the daemon work?"""

from __future__ import annotations

import typer
from rich.table import Table

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.checks import Finding, Status, findings
from anthropic_metrics.cli.common import ConfigOption, load, out
from anthropic_metrics.health import base_url, probe

STYLES = {Status.ok: "green", Status.failed: "red", Status.skipped: "dim"}


def register(app: typer.Typer) -> None:
    app.command()(check)
    app.command()(healthcheck)


def check(config: ConfigOption = None) -> None:
    """Key, network, each Admin API endpoint, cluster, rights, Kibana: what works, how to mend the rest."""
    found = list(findings(load(config), utc_now()))
    out.print(_table(found))
    for finding in found:
        if finding.cure:
            out.print(f"{finding.what}: {finding.cure}", highlight=False, soft_wrap=True, markup=False)
    raise typer.Exit(1 if any(finding.status is Status.failed for finding in found) else 0)


def healthcheck(config: ConfigOption = None) -> None:
    """Ask the daemon on this machine whether it works; exit code 0 or 1, for a container's HEALTHCHECK."""
    raise typer.Exit(0 if probe(f"{base_url(load(config).health)}/healthz") else 1)


def _table(found: list[Finding]) -> Table:
    table = Table("what", "result", "details", box=None, pad_edge=False)
    for finding in found:
        style = STYLES[finding.status]
        table.add_row(finding.what, f"[{style}]{finding.status}[/{style}]", finding.details)
    return table
