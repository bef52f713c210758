"""`headroom` beside the week before: growth, and the day it reaches the limit, by the simulated minutes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from elasticsearch import Elasticsearch
from typer.testing import CliRunner

from anthropic_metrics.cli import app
from anthropic_metrics.config import UsageSettings
from tests.harness.headroom_truth import Truth
from tests.harness.world import attempt, world

WEEK = timedelta(weeks=1)
HOUR = timedelta(hours=1)
# Seven hours past midnight, at the end of a window.
NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
USAGE = UsageSettings(granularities=("1m",), minute_backfill=timedelta(hours=2))


def test_growth_is_that_of_the_peaks_minute_and_goes_on_to_the_limit(
    es: Elasticsearch, elasticsearch_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with world(es, elasticsearch_url, namespace, now=NOW, days=1, usage=USAGE, series=10) as w:
        organization = w.simulation.organization()
        science = {"model": "claude-sonnet-5-5", "workspace_id": organization.named("Data Science").id}
        for now, output in ((NOW, 60_000), (NOW + WEEK, 90_000)):
            w.simulation.edits.add_usage(now - HOUR / 2, science, {"output_tokens": output})
            w.clock.advance(now - w.clock.now())
            with w.agent() as agent:
                agent.organization.only(["usage", "rate_limits", "headroom"])
                attempt(agent, agent.organization.whole(agent.sink))
        truth = Truth(w.simulation, "new", NOW, speeds=False)
        peaks = [_peaks(truth, end) for end in (NOW, NOW + WEEK)]
        monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch_url)
        monkeypatch.setenv("ANTHROPIC_METRICS_NAMESPACE", namespace)
        monkeypatch.setattr("anthropic_metrics.cli.headroom.utc_now", w.clock.now)
        result = CliRunner().invoke(app, ["headroom", "--since", "1h"])
        assert result.exit_code == 0, result.output
    rows = [re.split(r"  +", line.strip()) for line in result.stdout.splitlines()]
    shown = {
        (row[0], row[1], row[2]): [row[10], row[12]]
        for row in rows
        if len(row) == 13 and row[0] != "workspace"
    }
    names = {each.group_id: each.display_name for each in organization.rate_limits}
    spaces = {each.report_id or "Default": each.name for each in organization.workspaces}
    expected = {}
    for limit_key, (tokens, limit) in peaks[1].items():
        _, workspace, group, kind = limit_key
        before = peaks[0].get(limit_key)
        key = "(all)" if workspace is None else spaces[workspace], names[group], kind
        expected[key] = _cells(tokens, before and before[0], limit, NOW + WEEK)
    assert shown == {key: expected[key] for key in shown}
    assert len(shown) > 10
    grown = shown["Data Science", "Claude Sonnet 4.x and 5.x", "output_tokens_per_minute"]
    assert 40 < int(grown[0].strip("+%")) < 60
    assert grown[1] > f"{NOW + WEEK:%Y-%m-%d}"


def _peaks(truth: Truth, end: datetime) -> dict[tuple[str, str | None, str, str], tuple[int, int]]:
    """Tokens of the peak minute of the hour before `end`, and the limit at the closest one, by limit."""
    windows = truth.windows(end - HOUR, end, end)
    closest: dict[tuple[str, str | None, str, str], tuple[int, int]] = {}
    for (scope, workspace, group, kind, _), each in windows.items():
        key = str(scope), workspace, str(group), str(kind)
        most = max(each["peak_tokens"], closest.get(key, (0, 0))[0])
        closest[key] = (most, each["limit"])
    return closest


def _cells(tokens: int, before: int | None, limit: int, now: datetime) -> list[str]:
    """What the columns `week` and `reached` should say."""
    growth = "-" if not before else f"{float(Fraction(tokens, before) - 1):+.0%}"
    if tokens >= limit:
        return [growth, "now"]
    if before is None or tokens <= before:
        return [growth, "-"]
    weeks = Fraction(limit - tokens, tokens - before)
    reached = now + timedelta(seconds=float(weeks * 7 * 86_400)) if weeks <= 104 else None
    return [growth, "-" if reached is None else f"{reached:%Y-%m-%d}"]
