"""A small organization's charges and names, for tests of groupings, invoices and reports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from anthropic_metrics.config.money import TeamSettings, teams_of
from anthropic_metrics.finance.charges import Charge
from anthropic_metrics.finance.ledger import Ledger
from anthropic_metrics.finance.period import Period
from anthropic_metrics.kernel.names import NamedWorkspace, Names
from anthropic_metrics.spend.money import usd
from anthropic_metrics.spend.rows import Billed

NOW = datetime(2026, 11, 10, tzinfo=UTC)
OCTOBER = Period(date(2026, 10, 1), date(2026, 11, 1), is_month=True)
DAY = date(2026, 10, 5)
TEAMS: tuple[Mapping[str, object], ...] = (
    {"team": "platform", "tags": ("team=platform",), "cost_centre": "4100"},
    {"team": "night", "api_keys": ("nightly",), "owner": "mateo"},
)


def names(*teams: Mapping[str, object]) -> Names:
    """Two workspaces of one name, one with tags; two keys."""
    found = Names(
        "7f9c1b1e-0000-4000-8000-000000000001",
        "Acme",
        {
            "wrkspc_a": NamedWorkspace("Prod", {"team": "platform"}),
            "wrkspc_b": NamedWorkspace("Prod", {}, archived=True),
            "wrkspc_c": NamedWorkspace("Lab", {}),
        },
        {"apikey_1": "assistant", "apikey_2": "nightly"},
    )
    return found.with_teams(teams_of(TeamSettings.model_validate(team) for team in teams))


def charge(amount: str, workspace: str = "wrkspc_a", key: str | None = None, **changed: Any) -> Charge:
    """A charge for output tokens on DAY."""
    dimensions: dict[str, str | None] = {
        "workspace_id": workspace,
        "model": "claude-opus-5-5",
        "service_tier": "standard",
        "inference_geo": "global",
    }
    if key:
        dimensions["api_key_id"] = key
    values: dict[str, Any] = {"day": DAY, "meter": "output", "cost_type": "tokens", "quantity": 1000}
    values |= {"amount": usd(amount), "dimensions": dimensions} | changed
    return Charge(**values)


def line(amount: str, day: date = DAY, description: str = "Output", workspace: str = "wrkspc_a") -> Billed:
    """A line of the bill."""
    return Billed(
        day, workspace, usd(amount), "tokens", "claude-opus-5-5", "output_tokens", description=description
    )


def ledger(*lines: Billed, open_days: frozenset[date] = frozenset()) -> Ledger:
    """October's bill."""
    return Ledger(OCTOBER, NOW, lines, open_days)
