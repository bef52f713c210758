"""What `check` looks at, one finding each. Nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from anthropic_metrics.checks.admin import AdminFacts, admin_api
from anthropic_metrics.checks.cluster import elasticsearch
from anthropic_metrics.checks.finding import Finding, Status
from anthropic_metrics.checks.kibana import kibana_findings
from anthropic_metrics.checks.network import ways
from anthropic_metrics.config import Config

__all__ = ["Finding", "Status", "findings"]


def findings(config: Config, now: datetime) -> Iterator[Finding]:
    """Every check in order; what cannot work because an earlier one failed is left out or skipped."""
    facts = AdminFacts()
    yield from ways(config)
    yield from admin_api(config, now, facts)
    yield from elasticsearch(config, now, facts)
    yield from kibana_findings(config)
