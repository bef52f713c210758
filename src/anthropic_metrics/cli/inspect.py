"""`check` and `healthcheck`: is everything in place, and does the daemon work?"""

from __future__ import annotations

import typer

from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.checks import Finding, Status, findings
from anthropic_metrics.cli.common import ConfigOption, EmbeddedOption, load
from anthropic_metrics.cli.organizations import OrganizationOption, chosen, with_organization
from anthropic_metrics.cli.render import Answer, Column, Layout, answers
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.healthcheck import trouble
from anthropic_metrics.links import see

CHECKS = Layout(
    "checks",
    Column("what"),
    Column("result", styles={"ok": "green", "warning": "yellow", "failed": "red", "skipped": "dim"}),
    Column("details"),
    Column("cure", table=False),
    Column("see", table=False),
)


def register(app: typer.Typer) -> None:
    app.command()(check)
    app.command()(healthcheck)


@answers(CHECKS)
def check(
    organization: OrganizationOption = None,
    config: ConfigOption = None,
    embedded: EmbeddedOption = False,
) -> Answer:
    """Check key, network, Admin API endpoints, cluster, rights, templates, streams and Kibana, and say how to
    fix what fails. Exit code 1 if a check failed; warnings and skipped checks do not count."""
    settings = load(config, embedded=embedded)
    seen = list(findings(settings, utc_now(), chosen(settings, organization)))
    cures = [
        f"{finding.whose}{finding.what}: {finding.cure} See {_see(finding)}"
        for finding in seen
        if finding.cure
    ]
    several = any(finding.organization for finding in seen)
    whose = [(finding.organization or None,) if several else () for finding in seen]
    rows = [
        (finding.what, finding.status.value, finding.details, finding.cure, _see(finding)) for finding in seen
    ]
    return Answer(
        (with_organization(CHECKS) if several else CHECKS).table(
            [(*own, *row) for own, row in zip(whose, rows, strict=True)]
        ),
        notes=list(dict.fromkeys(cures)),
        code=1 if any(finding.status is Status.failed for finding in seen) else 0,
    )


def _see(finding: Finding) -> str:
    """Where the cure is explained."""
    return see(f"{finding.details} {finding.cure}", "check") if finding.cure else ""


def healthcheck(config: ConfigOption = None) -> None:
    """Ask the daemon on this machine whether it works: exit code 0, or 1 and the reason.

    A container uses `python -m anthropic_metrics.healthcheck`, which takes a tenth of the time."""
    health = load(config).health
    if why := trouble(health.host, health.port):
        raise RetryLater(f"The daemon does not work: {why}.")
