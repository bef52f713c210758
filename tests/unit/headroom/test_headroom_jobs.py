"""Headroom runs where it can be computed, and right after usage by the minute."""

from __future__ import annotations

from datetime import timedelta

import pytest

from anthropic_metrics.config import Config, RateLimitSettings, UsageSettings
from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.poller import ViewPoller
from tests.harness.memory_ports import scheduled


def jobs(config: Config) -> dict[str, str | None]:
    """The daemon's jobs by name, and which job each of them follows."""
    return {job.name: job.after for job in scheduled(config)}


def test_headroom_follows_usage_by_the_minute_and_the_comparison_follows_its_sweep() -> None:
    found = jobs(Config())
    assert found["anthropic_metrics.headroom"] == "anthropic_metrics.usage_1m"
    checks = {name: after for name, after in found.items() if "adds up" in name}
    assert checks == {
        "anthropic_metrics.usage_1m adds up to anthropic_metrics.usage": "anthropic_metrics.usage_1m sweep"
    }
    assert {after for after in found.values() if after} <= found.keys()


def test_fifteen_days_of_minutes_are_read_by_the_first_sweep_only_and_never_by_a_live_poll(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ranges: list[timedelta] = []

    def note(_: object, whole: Range, *__: object, **___: object) -> None:
        ranges.append(whole.end - whole.start)

    monkeypatch.setattr(ViewPoller, "keep", note)
    monkeypatch.setattr(DerivedPoller, "keep", note)
    monkeypatch.setattr(DerivedPoller, "keep_all", note)
    found = {job.name: job for job in scheduled(Config())}
    minutes, headroom = "anthropic_metrics.usage_1m", "anthropic_metrics.headroom"
    for name in (minutes, headroom, f"{minutes} sweep", f"{headroom} sweep", f"{minutes} sweep"):
        found[name].run(Tally("any", "any"))
    day, all_of_it = timedelta(days=1), timedelta(days=15, minutes=1)
    assert [length <= day for length in ranges] == [True, True, False, False, True]
    assert ranges[2:4] == [all_of_it, all_of_it]
    assert found[f"{headroom} sweep"].after == f"{minutes} sweep"


@pytest.mark.parametrize(
    "config",
    [
        Config(usage=UsageSettings(granularities=("1h", "1d"))),
        Config(usage=UsageSettings(group_by=("workspace_id",))),
        Config(usage=UsageSettings(enabled=False)),
        Config(rate_limits=RateLimitSettings(enabled=False)),
    ],
)
def test_without_minutes_by_model_or_without_limits_there_is_no_headroom(config: Config) -> None:
    assert "anthropic_metrics.headroom" not in jobs(config)
