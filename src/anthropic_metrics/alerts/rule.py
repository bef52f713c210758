"""A rule as a value, and the little that its ES|QL needs: names of streams, numbers, quoted texts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

# The end of the window, which Kibana hands to the query. Never NOW(): a rule must be able to look back.
NOW = "TO_DATETIME(?_tend)"


@dataclass(frozen=True)
class Rule:
    """One alert rule with its thresholds rendered into the query.

    Every row that `query` returns over the documents of the last `window` is an alert; the columns of its
    last `STATS ... BY` are the alert's id. `threshold` and `meaning` are for people. `subject` is a Mustache
    text over the row's columns.
    """

    key: str
    title: str
    meaning: str
    threshold: str
    query: str
    window: timedelta
    schedule: timedelta
    subject: str

    @property
    def name(self) -> str:
        """The name that Kibana shows."""
        return f"[Anthropic] {self.title}"


def stream(dataset: str, namespace: str) -> str:
    return f"metrics-anthropic_metrics.{dataset}-{namespace}"


def number(value: float) -> str:
    """A plain literal: no exponent, no needless decimals."""
    return f"{value:.6f}".rstrip("0").rstrip(".")


def text(value: str) -> str:
    """A string literal."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def field(name: str) -> str:
    """A field name that may hold any character."""
    return "`" + name.replace("`", "``") + "`"


def lines(*parts: str) -> str:
    """A query, one command a line."""
    return "\n| ".join(parts)
