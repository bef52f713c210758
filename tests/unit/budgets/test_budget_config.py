"""Budgets are one list; what was given in the three older keys is the same list, with a hint."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from anthropic_metrics.config import Config, load_config
from anthropic_metrics.errors import ConfigError


def loaded(tmp_path: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    path = tmp_path / "c.yaml"
    path.write_text(text, "utf-8")
    return load_config(path, environ or {})


def shown(config: Config) -> list[tuple[Any, ...]]:
    return [(b.name, b.scope, b.whose, b.usd, b.tokens, b.period, b.levels) for b in config.budgets]


USUAL = (50, 75, 90, 100)


def test_a_list_has_dollars_or_tokens_a_period_and_a_scope(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        """
budgets:
  - {name: everything, usd: 90000}
  - {name: research, team: research, usd: 2500.10, period: weekly}
  - {name: staging cap, workspace: Staging, usd: 40, period: daily, levels: [100, 80]}
  - {name: batch tokens, api_key: nightly-batch, tokens: 2_000_000_000}
""",
    )
    assert shown(config) == [
        ("everything", "organization", "", Decimal(90000), None, "monthly", USUAL),
        ("research", "team", "research", Decimal("2500.1"), None, "weekly", USUAL),
        ("staging cap", "workspace", "Staging", Decimal(40), None, "daily", (80, 100)),
        ("batch tokens", "api_key", "nightly-batch", None, 2_000_000_000, "monthly", USUAL),
    ]
    assert list(config.hints()) == []
    assert config.month_budget is config.budgets[0]


def test_the_older_keys_load_as_the_list_and_the_hint_writes_it(tmp_path: Path) -> None:
    old = (
        "budgets: {organization_usd: 900, workspaces: {Production: 500.5}, tags: {team=r: 300}, levels: [80]}"
    )
    config = loaded(tmp_path, old)
    (hint,) = config.hints()
    assert hint.startswith("budgets.organization_usd, budgets.workspaces, budgets.tags: still read")
    again = loaded(tmp_path, "budgets: " + hint.partition("budgets: [")[2].join(["[", ""]))
    assert shown(again) == shown(config)
    assert list(again.hints()) == []
    assert [name for name, *_ in shown(config)] == ["organization", "workspace Production", "tag team=r"]


def test_a_list_comes_from_the_environment_and_takes_the_place_of_the_file_s(tmp_path: Path) -> None:
    environ = {"ANTHROPIC_METRICS_BUDGETS": '[{"name": "all", "usd": 5}]'}
    assert [b.name for b in loaded(tmp_path, "budgets: {organization_usd: 900}", environ).budgets] == ["all"]
    older = {"ANTHROPIC_METRICS_BUDGETS__ORGANIZATION_USD": "12.5"}
    assert [b.usd for b in loaded(tmp_path, "", older).budgets] == [Decimal("12.5")]


@pytest.mark.parametrize(
    ("variable", "text", "name", "usd"),
    [
        ("WORKSPACES", '{"Data Science": 500}', "workspace Data Science", 500),
        ("WORKSPACES", "Production: 500", "workspace Production", 500),
        ("TAGS", "{team=research: 300}", "tag team=research", 300),
    ],
)
def test_an_older_mapping_may_come_from_the_environment(
    tmp_path: Path, variable: str, text: str, name: str, usd: int
) -> None:
    config = loaded(tmp_path, "", {f"ANTHROPIC_METRICS_BUDGETS__{variable}": text})
    assert [(b.name, b.amount) for b in config.budgets] == [(name, Decimal(usd))]


@pytest.mark.parametrize("text", ["", "budgets:", "budgets: []", "budgets: {}"])
def test_no_budgets_are_none(tmp_path: Path, text: str) -> None:
    assert loaded(tmp_path, text).budgets == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[{usd: 5}]", "budgets.name: is missing"),
        ("[{name: a}]", "a: give usd or tokens"),
        ("[{name: a, usd: 5, tokens: 5}]", "a: give usd or tokens, one of the two"),
        ("[{name: a, usd: 0}]", "budgets.usd: must be at least a cent"),
        ("[{name: a, usd: .nan}]", "budgets.usd: must be at least a cent"),
        ("[{name: a, tokens: 0}]", "budgets.tokens: must be 1 or more"),
        ("[{name: a, usd: 5, team: t, workspace: w}]", "a: give one of workspace, team, not several"),
        ("[{name: a, usd: 5, tag: research}]", "a: tag must be written tag=value"),
        ("[{name: a, usd: 5, workspace: ''}]", "a: workspace is empty"),
        ("[{name: ' ', usd: 5}]", "a budget without a name"),
        ("[{name: a, usd: 5}, {name: a, usd: 6}]", "two budgets have the name a"),
        ("[{name: a, usd: 5, period: yearly}]", "budgets.period: must be 'monthly', 'weekly' or 'daily'"),
        ("[{name: a, usd: 5, levels: [0]}]", "budgets.levels: must be a list of percentages"),
        ("[{name: a, usd: 5, workspaces: [w]}]", "budgets.workspaces: is not a known key; did you mean"),
        ("[5]", "budgets: must be a list of mappings"),
        ("{organisation_usd: 5}", "budgets.organisation_usd: is not a known key; budgets is a list"),
    ],
)
def test_a_budget_that_cannot_be_one_is_named_with_what_is_allowed(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, f"budgets: {text}")
    assert said in str(error.value)
