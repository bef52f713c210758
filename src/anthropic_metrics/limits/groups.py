"""Limit groups: how one is known from one snapshot to the next, and which of its limits are its own. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def group_key(group_id: str | None, group_type: str, models: Sequence[str]) -> str:
    """The group's id; where the API gives none, its type and models."""
    return group_id or f"{group_type}:{','.join(sorted(models))}"


def own_limits(row: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """A row's limits by type; of a workspace only those that are its own.

    The older shape does not say whose a value is: one that equals the organization's is taken as inherited.
    """
    of_workspace = row["scope"] == "workspace"
    for limit in row["limits"]:
        value = limit.get("value")
        inherited = limit.get("source") != "workspace" or limit.get("organization_value") == value
        if value is not None and not (of_workspace and inherited):
            yield limit["type"], value
