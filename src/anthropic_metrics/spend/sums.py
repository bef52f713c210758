"""Spend added up by one thing: by key, workspace, model, team or hour. Pure, and exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from anthropic_metrics.spend.money import ZERO, Usd, total, usd

NO_NAME = "(none)"
FIELDS = (
    "@timestamp",
    "anthropic.model",
    "anthropic.workspace.id",
    "anthropic.workspace.name",
    "anthropic.workspace.tags",
    "anthropic.api_key.id",
    "anthropic.api_key.name",
    "anthropic.team.name",
    *(
        f"anthropic.spend.{name}"
        for name in ("amount_exact", "basis", "total_tokens", "unpriced_tokens", "cost_type")
    ),
)


class By(StrEnum):
    """What spend is added up by."""

    key = "key"
    workspace = "workspace"
    model = "model"
    team = "team"
    hour = "hour"


@dataclass
class Sum:
    """What one key, workspace, model, team or hour cost. `early` is the part of `usd` that is estimated."""

    name: str
    usd: Usd = ZERO
    early: Usd = ZERO
    tokens: int = 0
    unpriced_tokens: int = 0
    # Of the part without a name: where it comes from.
    cost_types: set[str] = field(default_factory=set)

    def add(self, spend: Mapping[str, Any]) -> None:
        """Add one document's `anthropic.spend`."""
        amount = usd(spend["amount_exact"]) if "amount_exact" in spend else ZERO
        self.usd = total((self.usd, amount))
        if spend["basis"] == "estimated":
            self.early = total((self.early, amount))
        self.tokens += spend["total_tokens"]
        self.unpriced_tokens += spend.get("unpriced_tokens", 0)
        if "cost_type" in spend:
            self.cost_types.add(spend["cost_type"])


def sums(sources: Iterable[Mapping[str, Any]], by: By, teams: Iterable[str] = ()) -> list[Sum]:
    """Sums of spend documents (with `FIELDS`), highest amount first; hours from the newest on. By team, each
    of `teams` has a sum, of nothing where nothing belongs to it.

    Keys or workspaces that share a name are told apart by their ids.
    """
    by_id: dict[str, Sum] = {}
    for source in sources:
        identity, name = _group(source, by)
        by_id.setdefault(identity, Sum(name)).add(source["anthropic"]["spend"])
    if by is By.team and by_id:
        by_id = {team: Sum(team) for team in teams} | by_id
    counts = Counter(entry.name for entry in by_id.values())
    for identity, entry in by_id.items():
        if counts[entry.name] > 1:
            entry.name = f"{entry.name} ({identity})"
    if by is By.hour:
        return sorted(by_id.values(), key=lambda entry: entry.name, reverse=True)
    return sorted(by_id.values(), key=lambda entry: (-entry.usd, -entry.tokens, entry.name))


def _group(source: Mapping[str, Any], by: By) -> tuple[str, str]:
    """What tells the groups apart, and what they are called."""
    anthropic = source["anthropic"]
    match by:
        case By.hour:
            hour = source["@timestamp"][:16].replace("T", " ")
            return hour, hour
        case By.model:
            model = anthropic.get("model", NO_NAME)
            return model, model
        case By.team:
            team = anthropic.get("team", {}).get("name", NO_NAME)
            return team, team
        case By.key:
            part = anthropic.get("api_key", {})
        case By.workspace:
            part = anthropic.get("workspace", {})
    identity = part.get("id", NO_NAME)
    return identity, part.get("name", identity)
