"""The people stream against the simulated reports, over HTTP, with streams in memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from anthropic_metrics.checks.admin import AdminFacts, admin_api
from anthropic_metrics.checks.finding import Status
from anthropic_metrics.config import AnthropicSettings, Config
from anthropic_metrics.config.money import TeamSettings
from anthropic_metrics.config.people import PeopleSettings
from anthropic_metrics.errors import BadRequest, RetryLater
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.people.read import Reader
from anthropic_metrics.simulator import ADMIN_KEY, effects
from anthropic_metrics.simulator.analytics import Terms, analytics_rows
from anthropic_metrics.simulator.organization import Organization, user_id
from tests.harness.people_world import DAY, NOW, SALT, TODAY, World, people


def truth(w: World, kind: Any) -> list[dict[str, Any]]:
    groups = ("actor", "product", "model")
    return analytics_rows(w.server.simulation, kind, TODAY - 3 * DAY, TODAY, "1d", groups)


def test_the_last_three_days_are_the_reports_digit_for_digit_and_every_figure_is_labelled(w: World) -> None:
    tally = w.poll()

    cents = sum(Decimal(row["cost"]["amount"]) for row in truth(w, "cost"))
    assert sum(Decimal(each["amount_exact"]) for each in w.uses if "amount_exact" in each) == cents / 100
    tokens = sum(row["usage"]["total_tokens"] for row in truth(w, "usage"))
    assert sum(each["total_tokens"] for each in w.uses if "total_tokens" in each) == tokens
    assert sum(each["requests"] for each in w.uses if "requests" in each) == sum(
        row["usage"]["requests"] for row in truth(w, "usage")
    )
    assert {each["basis"] for each in w.uses} == {"billed"}
    assert {each["basis"] for each in w.works} == {"estimated"}
    assert all(each["bucket_complete"] for each in w.uses)
    assert (tally.windows, tally.failures, tally.newest_data) == (1, [], TODAY)


def test_the_work_with_claude_code_is_joined_to_the_same_person(w: World) -> None:
    w.poll()

    sessions = sum(row["core_metrics"]["num_sessions"] for row in w.records())
    assert sum(each["claude_code"]["sessions"] for each in w.works) == sessions > 0
    coders = {each["person"]["id"] for each in w.works}
    assert coders == {each["person"]["id"] for each in w.uses if each.get("product") == "claude_code"}
    assert all(person.startswith("person_") for person in coders)
    assert ".example" not in repr(people(w.streams))


def test_without_the_analytics_reports_the_estimates_stand_in_and_the_bill_replaces_them(w: World) -> None:
    w.server.behaviour.analytics = Terms("off")
    w.poll()
    assert {each["basis"] for each in w.uses} == {"estimated"}
    cents = sum(part["estimated_cost"]["amount"] for row in w.records() for part in row["model_breakdown"])
    assert float(sum(each["amount_usd"] for each in w.uses)) == pytest.approx(cents / 100)
    before = set(w.streams.store.copies)

    w.server.behaviour.analytics = Terms("on", lag=timedelta(hours=4))
    w.poll()

    assert {each["basis"] for each in w.uses} == {"billed"}
    assert before <= set(w.streams.store.copies)
    assert w.streams.store.deleted == []


def test_analytics_that_are_refused_for_once_do_not_turn_bills_into_estimates(w: World) -> None:
    w.poll()
    before = w.streams.store.says()
    w.server.behaviour.analytics = Terms("forbidden")

    with pytest.raises(RetryLater, match="nothing is written"):
        w.poll()

    assert w.streams.store.says() == before


@pytest.mark.parametrize("report", ["*/usage_report/claude_code", "*/users"])
def test_a_list_or_report_that_the_key_may_not_read_costs_only_itself(w: World, report: str) -> None:
    w.poll()
    before = len(w.works)
    w.server.faults.add(effects.status(403), report, times=None)

    assert w.poll().failures == []

    assert len(w.works) == before
    assert w.streams.store.deleted == []


def test_a_refusal_under_a_clock_that_was_wrong_is_not_believed_after_it_was_set_back() -> None:
    def refuse() -> str:
        raise BadRequest("The Admin API answered 404.", status=404)

    nothing: Any = None
    reader, tally = Reader(nothing), Tally("people", "people")
    assert reader._ask_report("users", NOW + 400 * DAY, tally, refuse) is None
    assert reader._ask_report("users", NOW, tally, lambda: "the list") == "the list"
    assert reader._ask_report("users", NOW, tally, refuse) is None
    assert reader._ask_report("users", NOW + timedelta(hours=23), tally, lambda: "asked too soon") is None
    assert reader._ask_report("users", NOW + DAY, tally, lambda: "the list") == "the list"


def test_a_deleted_user_keeps_the_id_and_stays_countable(w: World) -> None:
    w.poll()
    before = {each["person"]["id"] for each in w.works}
    gone = user_id(w.server.simulation.seed, "mateo")

    def without(organization: Organization) -> Organization:
        return replace(organization, users=tuple(each for each in organization.users if each.id != gone))

    w.server.simulation.edits.change(without)
    w.poll()

    assert {each["person"]["id"] for each in w.works} >= before
    deleted = [each["person"] for each in w.uses if each["person"].get("deleted")]
    assert {person["id"] for person in deleted} <= before
    assert deleted


def test_a_day_that_the_reports_have_not_loaded_says_so(w: World) -> None:
    w.server.behaviour.analytics = Terms("on", lag=timedelta(hours=30))
    w.poll()

    late = [source for source in people(w.streams) if source["@timestamp"].startswith("2026-11-19")]
    billed = [
        each["anthropic"]["people"] for each in late if each["anthropic"]["people"]["basis"] == "billed"
    ]
    assert billed
    assert not any(each["bucket_complete"] for each in billed)


def test_a_day_that_could_not_be_read_leaves_the_days_before_it_written(w: World) -> None:
    w.server.faults.add(effects.status(500), "*/claude_code", nth=3, times=None)
    with pytest.raises(RetryLater):
        w.poll()
    assert {source["@timestamp"][:10] for source in people(w.streams)} == {"2026-11-17", "2026-11-18"}


def test_a_refused_row_is_counted_without_showing_an_address(w: World) -> None:
    w.server.faults.add(effects.bad_row("terminal_type", {"to": "ann@example.com"}), "*/claude_code")
    w.server.faults.add(effects.bad_row("customer_type", ["ann@example.com"]), "*/claude_code")

    tally = w.poll()

    assert tally.bad_rows > 0
    assert "@" not in str(tally.answers)


def test_teams_that_name_people_pay_for_them(w: World) -> None:
    mateo = user_id(w.server.simulation.seed, "mateo")

    w.poll(teams=[TeamSettings(team="science", people=(mateo,))])

    teams: dict[str, set[str]] = {}
    for source in people(w.streams):
        own = source["anthropic"]
        teams.setdefault(own["team"]["name"], set()).add(own["people"]["person"]["id"])
    assert len(teams["science"]) == 1
    assert not teams["science"] & teams["Unassigned"]
    assert mateo not in repr(people(w.streams))


def test_check_reads_what_the_poller_reads_and_names_the_report_that_is_not_here(w: World) -> None:
    w.server.behaviour.analytics = Terms("forbidden")
    anthropic = AnthropicSettings(
        base_url=w.server.url, admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
    )
    people = PeopleSettings(enabled=True, salt=SALT)

    found = {
        each.what: each for each in admin_api(Config(anthropic=anthropic, people=people), NOW, AdminFacts())
    }

    said = found["Reports about people"]
    assert said.status is Status.ok
    assert " rows of yesterday; not available: analytics (" in said.details
    assert "read:analytics" in said.details
    off = admin_api(Config(anthropic=anthropic), NOW, AdminFacts())
    assert "Reports about people" not in {each.what for each in off}
