"""The analytics reports are asked as rarely as possible; what they do not have yet is not taken for zero."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
import structlog

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.rows import COST_PATH, USAGE_PATH
from anthropic_metrics.config import AnthropicSettings
from anthropic_metrics.errors import AuthError, RetryLater
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import Simulation
from anthropic_metrics.simulator.analytics import Terms, analytics_rows
from anthropic_metrics.spend.analytics import FIRST, Analytics
from tests.harness.memory_streams import small_wire

NOW = datetime(2026, 11, 24, 7, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0, minute=0)
GROUPED = ("workspace_id", "api_key_id", "model")


class World:
    """The reports of a small organization, and what was asked of them."""

    def __init__(
        self,
        terms: Terms | None = None,
        answer: Callable[[httpx.Request], Any] | None = None,
        **settings: Any,
    ) -> None:
        self.wire = small_wire(NOW)
        self.wire.api.behaviour.analytics = terms or Terms(enrolled="on")
        self.asked: list[httpx.Request] = []

        def answered(request: httpx.Request) -> httpx.Response:
            self.asked.append(request)
            given = answer(request) if answer is not None else None
            return given if isinstance(given, httpx.Response) else self.wire.answer(request)

        connection = AnthropicSettings.model_validate(
            {
                **settings,
                "base_url": "http://admin.test",
                "admin_key": "sk-ant-admin01-simulated",
                "requests_per_minute": 60_000,
            }
        )
        client = AdminClient(
            connection,
            transport=httpx.MockTransport(answered),
            sleep=lambda _: None,
            clock=self.wire.clock.now,
        )
        self.reports = Analytics(client, GROUPED)
        self.tally = Tally("spend", "any")

    def totals(self, span: Range, now: datetime = NOW, *, anew: bool = False) -> Any:
        return self.reports.totals(span, now, self.tally, anew=anew)

    def paths(self) -> Counter[str]:
        return Counter(request.url.path for request in self.asked)


LATELY = Range(MIDNIGHT - DAY, MIDNIGHT + DAY)


def test_the_totals_are_those_of_every_hour_that_is_loaded_whole() -> None:
    w = World()
    found = w.totals(LATELY)
    loaded = NOW - 4 * HOUR
    truth = analytics_rows(w.wire.api.simulation, "cost", LATELY.start, loaded.replace(minute=0))
    expected = {
        datetime.fromisoformat(row["starting_at"]): (row["cost"]["amount"], row["cost"]["list_amount"])
        for row in truth
    }
    assert found.hours == expected
    assert found.refreshed_at == loaded
    assert w.tally.pages == len(w.asked) == 1


def test_one_look_an_hour_asks_once_unless_everything_is_wanted_anew_or_more_is_wanted() -> None:
    w = World()
    for now in (NOW, NOW + timedelta(minutes=59)):
        w.totals(LATELY, now)
    assert len(w.asked) == 1
    w.totals(LATELY, NOW + HOUR)
    assert len(w.asked) == 2
    w.totals(LATELY, NOW + HOUR, anew=True)
    assert len(w.asked) == 3
    w.totals(Range(LATELY.start - DAY, LATELY.end), NOW + HOUR)
    assert len(w.asked) == 4
    w.totals(LATELY, NOW)  # the clock was set back
    assert len(w.asked) == 5


@pytest.mark.parametrize("enrolled", ["off", "forbidden", "not_enrolled"])
def test_a_refusal_means_that_they_are_not_here_and_is_asked_again_a_day_later(enrolled: Any) -> None:
    w = World(Terms(enrolled=enrolled))
    for now in (NOW, NOW + HOUR, NOW + 23 * HOUR):
        assert w.totals(LATELY, now) is None
    assert len(w.asked) == 1
    assert w.reports.absence
    w.wire.api.behaviour.analytics = Terms(enrolled="on")
    assert w.totals(LATELY, NOW + DAY) is not None
    assert not w.reports.absence


@pytest.mark.parametrize(("in_pass", "level"), [(False, "info"), (True, "debug")])
def test_their_absence_is_logged_once_and_in_a_pass_only_for_debugging(in_pass: bool, level: str) -> None:
    w = World(Terms(enrolled="off"))
    w.tally.in_pass = in_pass
    with structlog.testing.capture_logs() as events:
        for days in range(3):
            assert w.totals(LATELY, NOW + days * DAY) is None
    told = [event["log_level"] for event in events if event["event"] == "analytics_not_here"]
    assert told == [level]


def test_a_refusal_under_a_clock_that_was_wrong_is_not_believed_after_it_was_set_back() -> None:
    w = World(Terms(enrolled="off"))
    assert w.totals(LATELY, NOW + 20 * DAY) is None
    w.wire.api.behaviour.analytics = Terms(enrolled="on")
    assert w.totals(LATELY, NOW) is not None


def test_a_key_that_is_refused_altogether_is_an_error_and_not_an_absence() -> None:
    refusal = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
    w = World(answer=lambda _: httpx.Response(401, json=refusal))
    with pytest.raises(AuthError):
        w.totals(LATELY)
    assert not w.reports.absence


def test_nothing_is_asked_of_before_the_reports_began_or_of_an_hour_that_runs() -> None:
    w = World()
    assert w.totals(Range(FIRST - 9 * DAY, FIRST)) is None
    assert w.totals(Range(NOW.replace(minute=0), NOW)) is None
    assert w.asked == []


def test_where_nobody_says_until_when_the_report_is_loaded_none_of_it_is() -> None:
    def unsaid(request: httpx.Request) -> httpx.Response:
        return httpx.Response(
            200, json={"data": [], "has_more": False, "next_page": None, "data_refreshed_at": None}
        )

    found = World(answer=unsaid).totals(LATELY)
    assert found.hours == {}
    assert found.refreshed_at == LATELY.start


def test_what_is_older_than_31_days_is_read_once_a_day() -> None:
    w = World()
    long = Range(MIDNIGHT - 80 * DAY, MIDNIGHT + DAY)
    first = w.totals(long)
    asked = len(w.asked)
    assert asked == 3
    later = w.totals(long, NOW + HOUR)
    assert len(w.asked) == asked + 1
    assert later.hours.keys() >= {hour for hour in first.hours if hour < MIDNIGHT - 31 * DAY}
    w.totals(long, NOW + DAY)
    assert len(w.asked) == 2 * asked + 1


def test_the_last_look_is_believed_for_a_day() -> None:
    w = World()
    assert w.reports.last(NOW) is None
    w.totals(LATELY)
    assert w.reports.last(NOW + 23 * HOUR) is not None
    assert w.reports.last(NOW + DAY) is None
    assert w.reports.last(NOW - HOUR) is None


def test_rows_come_by_the_hour_with_both_reports_and_pages_are_counted() -> None:
    w = World()
    span = Range(MIDNIGHT - 6 * HOUR, MIDNIGHT)
    found = list(w.reports.rows(span, w.tally))
    assert [hour for hour, _, _ in found] == [span.start + number * HOUR for number in range(6)]
    assert w.paths() == {COST_PATH: 1, USAGE_PATH: 1}
    assert w.tally.pages == 2
    amount = sum(Decimal(item.cost.amount) for _, costs, _ in found for item in costs)
    totals = w.totals(LATELY).hours
    assert amount == sum(Decimal(totals[hour][0]) for hour, _, _ in found if hour in totals)


def test_the_days_of_a_look_by_workspace_are_one_request_until_the_next_look() -> None:
    w = World()
    with pytest.raises(RetryLater):
        w.reports.by_workspace(MIDNIGHT.date(), w.tally)
    long = Range(MIDNIGHT - 3 * DAY, MIDNIGHT + DAY)
    w.totals(long)
    w.asked.clear()
    for number in (1, 2, 3):
        day = MIDNIGHT - number * DAY
        found = w.reports.by_workspace(day.date(), w.tally)
        hours = w.reports.last(NOW).hours  # type: ignore[union-attr]  # it was looked a moment ago
        whole = sum(Decimal(total[0]) for hour, total in hours.items() if day <= hour < day + DAY)
        assert sum(found.values()) * 100 == whole
    assert w.reports.by_workspace(MIDNIGHT.date(), w.tally) == {}, "a day that is not over"
    assert len(w.asked) == 1
    w.totals(long, anew=True)
    w.reports.by_workspace(day.date(), w.tally)
    assert len(w.asked) == 3


def test_a_parents_key_asks_for_the_rows_of_its_own_organization_only() -> None:
    own = World(organization_id="org-parent", parent=True)
    own.totals(LATELY)
    alone = World(organization_id="org-parent")
    alone.totals(LATELY)
    asked = [[request.url.params.get_list("organization_ids[]") for request in w.asked] for w in (own, alone)]
    assert asked == [[["org-parent"]], [[]]]


def test_a_parents_key_brings_its_childrens_rows_unless_it_asks_for_its_own_organization() -> None:
    child = Simulation(World().wire.clock, seed=99, days=3, series=2)
    terms = Terms(enrolled="on", children=(child,))
    alone = World().totals(LATELY).hours
    own = World(terms, organization_id=World().wire.api.simulation.organization().id, parent=True)
    assert own.totals(LATELY).hours == alone
    together = World(terms).totals(LATELY).hours
    assert together.keys() >= alone.keys()
    assert any(together[hour] != total for hour, total in alone.items())
