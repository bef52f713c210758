"""What a digest reads from our streams, and what it calls it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from anthropic_metrics.admin_api.replies import ApiKey
from anthropic_metrics.config import Config
from anthropic_metrics.digest.collect import Collector
from anthropic_metrics.digest.content import Digest
from anthropic_metrics.kernel.names import NamedWorkspace, Names
from anthropic_metrics.kernel.questions import Used
from anthropic_metrics.kernel.ranges import Range, ceil, floor
from tests.harness.memory_questions import MemoryQuestions

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)
WEEK = Range(NOW - 7 * DAY, NOW)
NAMES = Names(
    "org-1",
    "Acme",
    {
        "wrkspc_a": NamedWorkspace("Prod"),
        "wrkspc_b": NamedWorkspace("Prod"),
        "wrkspc_c": NamedWorkspace("Lab"),
    },
    {"apikey_1": "assistant", "apikey_2": "twin", "apikey_3": "twin"},
)


@dataclass
class Spent(MemoryQuestions):
    """Sums of spend per field grouped by, before and in the week, and when each key was used."""

    sums_of: Mapping[tuple[str, bool], dict[str, float]] = field(default_factory=dict)
    uses: dict[str, Used] = field(default_factory=dict)

    def spent(self, stream: str, span: Range, by: str, field: str) -> dict[datetime, dict[str, float]]:
        found = self.sums_of.get((by, span.start < WEEK.start), {})
        return {span.start: found} if found and stream.endswith("spend-default") else {}

    def used(
        self, stream: str, organization_id: str, by: str, field: str, since: datetime
    ) -> dict[str, Used]:
        return self.uses


@dataclass
class Begun(MemoryQuestions):
    """A dollar a day from a day on."""

    first: datetime = NOW

    def spent(self, stream: str, span: Range, by: str, field: str) -> dict[datetime, dict[str, float]]:
        begin = max(floor(self.first, DAY), ceil(span.start, DAY))
        days = range(max((min(span.end, NOW) - begin).days, 0))
        return {begin + n * DAY: {"billed": 1.0} for n in days}

    def used(
        self, stream: str, organization_id: str, by: str, field: str, since: datetime
    ) -> dict[str, Used]:
        return {}


def key(id_: str, name: str, **given: Any) -> ApiKey:
    row = {"id": id_, "name": name, "status": "active", "created_at": "2026-01-01T00:00:00Z"}
    return ApiKey.model_validate({**row, **given})


def digest(ask: MemoryQuestions, keys: Sequence[ApiKey] = ()) -> Digest:
    return Collector(Config(), ask, NAMES).digest(WEEK, NOW, keys)


def test_workspaces_of_one_name_are_told_apart_alike_in_both_periods() -> None:
    workspace = "anthropic.workspace.id"
    now, before = {"wrkspc_b": 90.0, "wrkspc_a": 10.0}, {"wrkspc_b": 20.0, "wrkspc_c": 5.0}

    found = digest(Spent(sums_of={(workspace, False): now, (workspace, True): before}))

    assert {mover.name: mover.change for mover in found.movers} == {
        "Prod (wrkspc_b)": 70,
        "Prod (wrkspc_a)": 10,
        "Lab": -5,
    }


def test_a_workspace_that_is_called_default_does_not_take_the_place_of_the_default_one() -> None:
    by_workspace = {"Default": 90.0, "wrkspc_d": 10.0}
    ask = Spent(sums_of={("anthropic.workspace.id", False): by_workspace})
    names = Names("org-1", "Acme", {"wrkspc_d": NamedWorkspace("Default")}, {})

    found = Collector(Config(), ask, names).digest(WEEK, NOW, ())

    assert found.usd == 100
    assert {mover.name for mover in found.movers} == {"Default (Default)", "Default (wrkspc_d)"}


def test_what_no_key_made_is_no_opportunity() -> None:
    by_key = {"apikey_1": 40.0, "Console": 50.0, "Unattributed": 60.0}

    found = digest(Spent(sums_of={("anthropic.api_key.id", False): by_key}))

    assert {one.key for one in found.opportunities} == {"assistant"}


def test_keys_never_used_come_before_those_used_long_ago_and_young_ones_have_time() -> None:
    keys = [
        key("apikey_1", "assistant"),
        key("apikey_2", "twin"),
        key("apikey_3", "twin"),
        key("apikey_4", "young", created_at=(NOW - 10 * DAY).isoformat()),
        key("apikey_5", "off", status="inactive"),
    ]
    uses = {
        "apikey_1": Used(NOW - 200 * DAY, NOW - DAY, 5),
        "apikey_3": Used(NOW - 90 * DAY, NOW - 40 * DAY, 0),
    }

    found = digest(Spent(uses=uses), keys)

    assert [(each.name, each.last_used) for each in found.unused_keys] == [
        ("twin (apikey_2)", None),
        ("twin (apikey_3)", NOW - 40 * DAY),
    ]


def test_what_is_estimated_of_the_spend_is_known() -> None:
    by_basis = {"estimated": 7.5, "billed": 30.0}

    assert digest(Spent(sums_of={("anthropic.spend.basis", False): by_basis})).estimated_usd == 7.5


@pytest.mark.parametrize("first", [NOW - 3 * DAY, NOW - 40 * DAY])
def test_a_month_that_the_streams_do_not_reach_back_to_has_no_forecast(first: datetime) -> None:
    found = digest(Begun(first=first))

    late = first > NOW - 7 * DAY
    assert (found.is_month_whole, found.forecast is None) == (not late, late)
    assert found.begins == (first.date() if late else None)
