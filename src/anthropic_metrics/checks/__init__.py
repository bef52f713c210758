"""What `check` looks at, one finding each. Nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain

from anthropic_metrics.checks.admin import AdminFacts, admin_api
from anthropic_metrics.checks.cluster import elasticsearch
from anthropic_metrics.checks.finding import Finding, Status, about, cured
from anthropic_metrics.checks.kibana import kibana_findings
from anthropic_metrics.checks.network import admin_way, other_ways
from anthropic_metrics.config import Config

__all__ = ["Finding", "Status", "findings"]


def findings(
    config: Config, now: datetime, organizations: Sequence[Config] | None = None
) -> Iterator[Finding]:
    """Every check in order, each failure with a cure.

    What cannot work because an earlier one failed is left out or skipped. `organizations` are the
    configurations of those to look at, one each; None: of all.
    """
    known = [(own, AdminFacts()) for own in organizations or config.per_organization()]
    checks = (
        *(about(own, [admin_way(own)]) for own, _ in known),
        other_ways(config),
        *(about(own, admin_api(own, now, facts)) for own, facts in known),
        elasticsearch(config, now, known),
        kibana_findings(config),
    )
    yield from map(cured, chain.from_iterable(checks))
