"""The table of docs/alerts.md has the windows, the schedules and the default thresholds of the rules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.config import Config
from anthropic_metrics.config.values import parse_duration

CONFIG = Config()
PAGE = Path(__file__).parents[3] / "docs/alerts.md"
ROWS = {
    row[0].strip(" `"): row[1:]
    for line in PAGE.read_text("utf-8").splitlines()
    if len(row := line.strip("| ").split(" | ")) == 5 and row[0].startswith("`")
}


@pytest.mark.parametrize("rule", rules(CONFIG), ids=lambda rule: rule.key)
def test_the_page_has_the_window_and_the_schedule_of_each_rule(rule: Rule) -> None:
    _, window, schedule, _ = ROWS[rule.key]
    assert (parse_duration(window), parse_duration(schedule)) == (rule.window, rule.schedule)


@pytest.mark.parametrize("rule", rules(CONFIG), ids=lambda rule: rule.key)
def test_the_page_has_the_default_of_each_threshold(rule: Rule) -> None:
    for name, value in re.findall(r"`(\w+): ([\d.]+)`", ROWS[rule.key][-1]):
        assert float(value) == float(getattr(CONFIG.alerts, name))
