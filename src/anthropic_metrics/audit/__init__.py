"""Do the streams say what the Admin API says, and nothing else? Reads both, writes neither."""

from __future__ import annotations

from anthropic_metrics.audit.compare import Audited, Difference, audit
from anthropic_metrics.audit.everything import Bounds, Report, audit_all

__all__ = ["Audited", "Bounds", "Difference", "Report", "audit", "audit_all"]
