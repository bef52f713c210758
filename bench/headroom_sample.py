"""The large organization of `bench.headroom`: who it is, when it works, what its limits are.

Its use comes in sessions: in each block of four hours a tenth of all combinations of workspace and model,
drawn anew, is at work, by day and night alike, and has use in half of the block's minutes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from anthropic_metrics.admin_api.replies import RateLimitGroup, UsageRow, Workspace
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.datasets import RATE_LIMIT
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.limits.build import rate_limit_documents

END = datetime(2026, 11, 20, 12, tzinfo=UTC)
BLOCK = timedelta(hours=4)
AT_WORK = 0.1
IN_A_MINUTE = 0.5
OUTPUT = "output_tokens_per_minute"
GROUPS = 5
_INPUT = "input_tokens_per_minute_cache_aware"
_WHOLE = {_INPUT: 1_000_000, OUTPUT: 150_000}
_OWN = {_INPUT: 60_000, OUTPUT: 8_000}


@dataclass(frozen=True)
class Sizes:
    """`days` of minutes and headroom, `year` days of hours."""

    workspaces: int
    models: int
    days: int
    year: int

    @property
    def at_work(self) -> int:
        """Combinations in one block."""
        return round(self.workspaces * self.models * AT_WORK)


class Sample:
    """An organization of even size: rows of any bucket, its limits and its names."""

    def __init__(self, sizes: Sizes) -> None:
        self.sizes = sizes
        self.models = [f"claude-model-{number}" for number in range(sizes.models)]
        self.spaces = [
            Workspace(
                id=f"wrkspc_{number:024d}", name=f"Workspace {number}", tags={"team": f"t{number % 20}"}
            )
            for number in range(sizes.workspaces)
        ]
        self.names = Names.of("org-bench", "Bench", self.spaces, [])

    def at_work(self, moment: datetime) -> list[int]:
        """Places in `rows` of the combinations that work in the block of `moment`."""
        block = int(moment.timestamp() // BLOCK.total_seconds())
        return random.Random(block).sample(
            range(self.sizes.workspaces * self.sizes.models), self.sizes.at_work
        )

    def rows(self) -> list[UsageRow]:
        """A row of zeros for each combination."""
        return [
            UsageRow.model_validate(
                {
                    "model": model,
                    "workspace_id": space.id,
                    "api_key_id": f"apikey_{space.id[-8:]}",
                    "service_tier": "standard",
                    "inference_geo": "global",
                    "uncached_input_tokens": 0,
                    "cache_read_input_tokens": 0,
                    "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                    "output_tokens": 0,
                    "server_tool_use": {"web_search_requests": 0},
                }
            )
            for space in self.spaces
            for model in self.models
        ]

    def limits(self, slot: datetime) -> list[list[Prepared]]:
        """A snapshot of the organization's limits, then one of each workspace's."""
        whole = [self._group(number, _WHOLE) for number in range(GROUPS)]
        own = [
            [self._group(number, _OWN) | {"workspace_id": space.id} for number in range(GROUPS)]
            for space in self.spaces
        ]
        return [list(self._snapshot(groups, slot)) for groups in (whole, *own)]

    def _snapshot(self, groups: list[dict[str, Any]], slot: datetime) -> Iterator[Prepared]:
        rows = [RateLimitGroup.model_validate(each) for each in groups]
        frame = Frame(RATE_LIMIT, "bench", Range(slot, slot), self.names, slot)
        yield from rate_limit_documents(frame, rows)

    def _group(self, number: int, limits: dict[str, int]) -> dict[str, Any]:
        return {
            "type": "rate_limit",
            "group": {"id": f"rlg_{number}", "type": "model_group", "display_name": f"Group {number}"},
            "models": self.models[number::GROUPS],
            "limits": [
                {
                    "type": kind,
                    "value": value,
                    "org_limit": _WHOLE[kind],
                    "source": {"type": "organization" if limits is _WHOLE else "workspace"},
                }
                for kind, value in limits.items()
            ],
        }


class Known(Inventory):
    """The inventory, known beforehand."""

    def __init__(self, names: Names) -> None:
        self._fixed = names

    def names(self, now: datetime, *, unknown: bool = False) -> Names:
        return self._fixed
