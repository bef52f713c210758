"""`spend`, `teams` and `prices` in the configuration."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from anthropic_metrics.config import load_config
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.spend.table import configured_prices

DAY = date(2026, 11, 20)


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_prices_are_taken_digit_for_digit_and_what_is_left_out_comes_from_the_list(tmp_path: Path) -> None:
    text = "prices:\n  - {model: claude-opus-5-5, output: 17.1, valid_from: 2026-11-01}\n"

    (price,) = load_config(written(tmp_path, text), {}).prices
    table = configured_prices([price])

    assert (price.output, price.valid_from) == (Decimal("17.1"), date(2026, 11, 1))
    standard, batch = ({"model": "claude-opus-5-5", "service_tier": tier} for tier in ("standard", "batch"))
    assert table.per_million(standard, 4, DAY) == Decimal("17.1")
    assert table.per_million(batch, 4, DAY) == Decimal("8.55")
    assert table.per_million(standard, 0, DAY) is None
    assert table.per_million(standard, 4, date(2026, 10, 31)) is None


def test_factors_of_the_configuration_go_before_the_list_s(tmp_path: Path) -> None:
    kinds = ({"service_tier": "batch"}, {"inference_geo": "us"}, {"speed": "fast"})
    for own, expected in (("", "5 11 20"), (", batch: 0.4, us: 1.2, fast: 3", "4 12 30")):
        text = f"prices: [{{model: claude-opus-5-5, output: 10{own}}}]"
        table = configured_prices(load_config(written(tmp_path, text), {}).prices)
        found = [table.per_million({"model": "claude-opus-5-5", **kind}, 4, DAY) for kind in kinds]
        assert found == [Decimal(number) for number in expected.split()]


def test_a_price_from_the_beginning_has_the_factors_of_the_newest_list_entry(tmp_path: Path) -> None:
    text = "prices: [{model: claude-sonnet-5-5, output: 10}]"
    table = configured_prices(load_config(written(tmp_path, text), {}).prices)
    batch = {"model": "claude-sonnet-5-5", "service_tier": "batch"}
    assert table.per_million(batch, 4, date(2026, 1, 1)) == 5


def test_an_unknown_model_has_no_factors_but_its_own(tmp_path: Path) -> None:
    text = "prices: [{model: claude-private, output: 10}]"

    table = configured_prices(load_config(written(tmp_path, text), {}).prices)

    assert table.per_million({"model": "claude-private"}, 4, DAY) == Decimal(10)
    assert table.per_million({"model": "claude-private", "service_tier": "batch"}, 4, DAY) is None


def test_teams_are_read_from_the_file_and_from_the_environment(tmp_path: Path) -> None:
    text = "teams:\n  - team: research\n    workspaces: [Research]\n    cost_centre: 4711\n"
    variable = {"ANTHROPIC_METRICS_TEAMS": "[{team: ops, api_keys: [nightly]}]"}

    (team,) = load_config(written(tmp_path, text), {}).teams
    (other,) = load_config(None, variable).teams

    assert (team.team, team.workspaces, team.cost_centre) == ("research", ("Research",), "4711")
    assert (other.team, other.api_keys) == ("ops", ("nightly",))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("teams: [{workspaces: [a]}]", "teams.team: is missing"),
        ("teams: [{team: a}]", "teams: the team a is empty"),
        ("teams: [{team: a, workspace: [b]}]", "did you mean teams.workspaces?"),
        ("teams: [{team: a, tags: [b]}]", "b: must be written tag=value"),
        ("teams: research", "must be a list of mappings"),
        ("prices: [{model: a, output: much}]", "prices.output: must be a number such as 2.5"),
        ("prices: [{model: a, output: -1}]", "prices.output: must be a number such as 2.5"),
        ("prices: [{model: a, valid_from: soon}]", "prices.valid_from: must be a day"),
        ("spend: {settle_after: 2}", "spend.settle_after: must be a whole number with a unit"),
    ],
)
def test_a_mistake_is_named_with_its_key(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text), {})

    assert problem in str(caught.value)
