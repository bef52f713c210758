"""What a digest says, and how it looks as text, JSON and Slack's blocks."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from anthropic_metrics.budgets.ledger import DaySum
from anthropic_metrics.budgets.state import budget_state
from anthropic_metrics.config import Config, load_config
from anthropic_metrics.config.budgets import BudgetSettings
from anthropic_metrics.digest.collect import finished
from anthropic_metrics.digest.content import Digest, Opportunity, UnusedKey, drift, movers, opportunities
from anthropic_metrics.digest.message import body, slack, text
from anthropic_metrics.kernel.ranges import Range

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def test_the_largest_changes_come_first_in_either_direction_and_cents_are_none() -> None:
    now = {"A": 10.0, "B": 200.0, "C": 0.5, "new": 30.0}
    before = {"A": 100.0, "B": 190.0, "C": 0.2, "gone": 20.0}
    assert [(mover.name, mover.change) for mover in movers(now, before)] == [
        ("A", -90.0),
        ("new", 30.0),
        ("gone", -20.0),
        ("B", 10.0),
    ]


def test_a_key_that_reads_little_from_the_cache_could_and_a_standard_key_could_batch() -> None:
    # 100 dollars of uncached input; reads of 1 dollar are 10 dollars' worth of input, 9 % of all.
    found = opportunities({"poor": 100.0, "good": 100.0}, {"poor": 1.0, "good": 30.0}, {"poor": 300.0})
    assert [(one.kind, one.key, round(one.usd, 6)) for one in found] == [
        ("cache", "poor", 45.0),
        ("batch", "poor", 150.0),
    ]


def test_drift_is_a_share_of_the_bill_and_not_known_without_one() -> None:
    assert drift(103.0, 100.0) == pytest.approx(0.03)
    assert drift(5.0, 0.0) is None


@pytest.mark.parametrize(
    ("now", "start", "days"),
    [("2026-11-25", "2026-11-24", 1), ("2028-03-01", "2028-02-29", 1), ("2027-01-01", "2026-12-31", 1)],
)
def test_a_daily_digest_is_of_the_day_that_ended_last(now: str, start: str, days: int) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    begin = datetime.fromisoformat(start).replace(tzinfo=UTC)
    assert finished(moment, "daily") == Range(begin, begin + days * DAY)
    week = finished(moment, "weekly")
    assert (week.start.weekday(), week.end - week.start) == (0, 7 * DAY)
    assert week.end <= moment < week.end + 7 * DAY


def digest(name: str = "Acme") -> Digest:
    days = {date(2026, 11, 25) - n * DAY: DaySum(Decimal(40)) for n in range(60)}
    budget = BudgetSettings(name="everything", usd=Decimal(1100))
    state = budget_state(budget, days, NOW, running=True, settle_after=2 * DAY)
    return Digest(
        organization=name,
        time_range=Range(NOW - 7 * DAY, NOW),
        usd=280.0,
        before=250.0,
        movers=movers({name: 280.0}, {name: 250.0}),
        budgets=[state],
        forecast=state.forecast,
        cache_saved_usd=12.5,
        opportunities=[Opportunity("cache", "nightly", 45.0)],
        unused_keys=[UnusedKey("old-key"), UnusedKey("summer", NOW - 40 * DAY)],
        estimated_usd=80.0,
        drift=0.012,
    )


def test_the_text_has_spend_movers_budgets_forecast_opportunities_keys_and_drift() -> None:
    said = text(digest())
    for part in (
        "Acme: $280.00 in the 7 days from 2026-11-18 (UTC)",
        "+$30.00 against the period before ($250.00)",
        "The month is expected to end at $1,2",
        "everything (2026-11): $1,000.00 of $1,100.00, 91%; runs out on 2026-11-28.",
        "The cache saved $12.50.",
        "nightly: about $45.00 less",
        "$80.00 of it are estimated",
        "old-key (never used), summer (last used 2026-10-16)",
        "off by +1.2%",
    ):
        assert part in said


def test_a_digest_of_streams_that_begin_late_says_so_and_forecasts_nothing() -> None:
    whole = digest()
    late = replace(
        whole,
        budgets=[whole.budgets[0].partly(date(2026, 11, 20))],
        forecast=None,
        begins=date(2026, 11, 20),
        is_month_whole=False,
    )
    said = text(late)
    assert "The stream begins on 2026-11-20: earlier days count as zero here." in said
    assert "The month is not counted from its first day, so it has no forecast." in said
    assert "; counted only from 2026-11-20 on." in said
    assert "runs out" not in said
    assert not any(words in text(whole) for words in ("begins on", "not counted", "counted only"))


def test_a_digest_without_spend_limits_that_could_not_be_read_says_so() -> None:
    why = "Spend limits of the Console cannot be read: The Admin API answered 503."
    assert f"\n  {why}\n" in text(replace(digest(), limits_trouble=why))
    assert f"Budgets\n  {why}\n" in text(replace(digest(), budgets=[], limits_trouble=why))
    assert why in json.dumps(slack(replace(digest(), limits_trouble=why)))


def test_a_name_calls_no_channel_in_slack_and_json_has_every_figure() -> None:
    shown = json.dumps(slack(digest("<!channel> & co")))
    assert "<!channel>" not in shown.replace('"plain_text", "text": "<!channel>', "")
    assert "&lt;!channel&gt; &amp; co" in shown
    plain = body(digest())
    assert plain["budgets"][0]["spent"] == 1000
    assert plain["opportunities"] == [{"kind": "cache", "api_key": "nightly", "usd": 45.0}]
    assert [key["last_used"] for key in plain["unused_keys"]] == [None, "2026-10-16T12:00:00.000Z"]
    assert plain["estimated_usd"] == 80
    json.dumps(plain)


def test_off_is_what_yaml_reads_as_false_and_a_digest_without_webhooks_is_said() -> None:
    assert Config.model_validate({"digest": False}).digest == "off"
    config = load_config(None, {"ANTHROPIC_METRICS_DIGEST": "weekly"})
    assert any("nobody receives it" in hint for hint in config.hints())
