"""Do the streams say what the Admin API says, and nothing else? Reads both, writes neither."""

from __future__ import annotations

from anthropic_metrics.audit.compare import Audited, Difference, audit
from anthropic_metrics.audit.everything import Asked, Report, audit_all

__all__ = ["Asked", "Audited", "Difference", "Report", "audit", "audit_all"]
