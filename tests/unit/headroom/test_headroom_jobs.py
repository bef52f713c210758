"""Headroom runs where it can be computed, and right after usage by the minute."""

from __future__ import annotations

import pytest
from harness.memory_ports import scheduled

from anthropic_metrics.config import Config, RateLimitSettings, UsageSettings


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
