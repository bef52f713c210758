"""What an alert says: the rule's subject over the row, as Kibana's Mustache would fill it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from anthropic_metrics.alerts.rule import Rule


def subject(rule: Rule, row: Mapping[str, Any]) -> str:
    """One sentence about one row; a column without a value is left empty."""

    def fill(match: re.Match[str]) -> str:
        return shown(row.get(match[1]))

    return re.sub(r"\{\{(\w+)\}\}", fill, rule.subject)


def shown(value: Any) -> str:
    """A value for people: thousands apart, no needless decimals."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.2f}".removesuffix(".00")
