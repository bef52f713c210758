"""What `check` looks at, one finding each. Nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import chain

from anthropic_metrics.checks.admin import AdminFacts, admin_api
from anthropic_metrics.checks.cluster import elasticsearch
from anthropic_metrics.checks.finding import Finding, Status, cured
from anthropic_metrics.checks.kibana import kibana_findings
from anthropic_metrics.checks.network import ways
from anthropic_metrics.config import Config

__all__ = ["Finding", "Status", "findings"]


def findings(config: Config, now: datetime) -> Iterator[Finding]:
    """Every check in order, each failure with a cure.

    What cannot work because an earlier one failed is left out or skipped.
    """
    facts = AdminFacts()
    found = (
        ways(config),
        admin_api(config, now, facts),
        elasticsearch(config, now, facts),
        kibana_findings(config),
    )
    yield from map(cured, chain.from_iterable(found))
