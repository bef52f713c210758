"""The token figures are the truth to the token, under choices too."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from tests.harness.dashboard_truth import USAGE_KINDS, Row, by, instant, total
from tests.harness.dashboard_world import asked, assert_equal, each_token_choice, expected, said
from tests.harness.world import World


@each_token_choice
def test_token_totals_are_right_to_the_token(filled: World, chosen: dict[str, list[str]]) -> None:
    t = expected(filled, "tokens: Input tokens", chosen).usage
    overview = expected(filled, "overview: Tokens, all kinds", chosen).usage
    assert said(filled, "overview: Tokens, all kinds", chosen) == {
        "tokens": total(row["tokens"] for row in overview),
        "output": total(row["output"] for row in overview),
    }
    assert said(filled, "tokens: Input tokens", chosen) == {
        "input": total(row["input"] for row in t),
        "uncached": total(row["uncached"] for row in t),
    }
    assert said(filled, "tokens: Output tokens", chosen) == {"output": total(row["output"] for row in t)}
    assert said(filled, "tokens: Web searches", chosen) == {"searches": total(row["searches"] for row in t)}
    assert said(filled, "tokens: Priority Tier tokens", chosen) == {
        "tokens": total(row["tokens"] for row in t if row["tier"] == "priority")
    }


@each_token_choice
def test_shares_weigh_by_volume(filled: World, chosen: dict[str, list[str]]) -> None:
    t = expected(filled, "tokens: Cache hits, % of input", chosen).usage
    reads, given, output = (total(row[kind] for row in t) for kind in ("reads", "input", "output"))
    assert said(filled, "tokens: Cache hits, % of input", chosen)["hits"] == pytest.approx(reads / given)
    assert said(filled, "tokens: Input tokens per output token", chosen)["ratio"] == pytest.approx(
        given / output
    )


@each_token_choice
def test_tokens_over_time_are_complete_by_kind_and_by_model(
    filled: World, chosen: dict[str, list[str]]
) -> None:
    t = expected(filled, "tokens: Tokens over time by kind", chosen).usage
    records = asked(filled, "tokens: Tokens over time by kind", chosen).records()
    starts = sorted(instant(record["time"]) for record in records)
    width = min(later - earlier for earlier, later in pairwise(starts))

    def bucket(row: Row) -> datetime:
        return datetime.fromtimestamp(
            row["time"].timestamp() // width.total_seconds() * width.total_seconds(), UTC
        )

    timed = [row | {"bucket": bucket(row)} for row in t]
    for kind in USAGE_KINDS[:5]:
        assert_equal({instant(r["time"]): r[kind] for r in records}, by(timed, ["bucket"], kind))
    by_model = asked(filled, "tokens: Tokens over time by model", chosen).records()
    found = {(instant(r["time"]), r["anthropic.model"]): r["tokens"] for r in by_model}
    assert_equal(found, by(timed, ["bucket", "model"], "tokens"))
    hits = asked(filled, "tokens: Cache hit rate over time, % of input tokens", chosen).records()
    reads, given = by(timed, ["bucket"], "reads"), by(timed, ["bucket"], "input")
    assert {instant(r["time"]): r["hits"] for r in hits} == pytest.approx(
        {key: reads[key] / given[key] for key in given}
    )
    ratios = asked(filled, "tokens: Input tokens per output token over time", chosen).records()
    output = by(timed, ["bucket"], "output")
    assert {instant(r["time"]): r["ratio"] for r in ratios} == pytest.approx(
        {key: given[key] / output[key] for key in given if output[key]}
    )
    searches = asked(filled, "tokens: Web searches over time by workspace", chosen).records()
    assert_equal(
        {(instant(r["time"]), r["anthropic.workspace.name"]): r["searches"] for r in searches},
        by([row for row in timed if row["searches"]], ["bucket", "workspace"], "searches"),
    )


@each_token_choice
def test_the_heatmap_and_the_hit_rate_by_model_add_up(filled: World, chosen: dict[str, list[str]]) -> None:
    name = "tokens: Tokens by hour and weekday, UTC"
    t = expected(filled, name, chosen).usage
    timed = [row | {"day": f"{row['time']:%u %a}", "hour": f"{row['time']:%H}"} for row in t]
    found = {(r["weekday"], r["hour"]): r["tokens"] for r in asked(filled, name, chosen).records()}
    wanted = {(row["day"], f"{hour:02d}"): 0 for row in timed for hour in range(24)}
    assert_equal(found, wanted | by(timed, ["day", "hour"], "tokens"))
    assert list(found) == sorted(found), "before 9.4, Kibana's axes follow the rows"
    rates = asked(filled, "tokens: Cache hit rate by model, % of input tokens", chosen).records()
    reads, given = by(t, ["model"], "reads"), by(t, ["model"], "input")
    assert {r["anthropic.model"]: r["hits"] for r in rates} == pytest.approx(
        {model: reads[model] / given[model] for model in given}
    )


@each_token_choice
def test_the_token_table_has_every_kind_to_the_token(filled: World, chosen: dict[str, list[str]]) -> None:
    name = "tokens: Tokens by workspace, model and service tier"
    t = expected(filled, name, chosen).usage
    records = asked(filled, name, chosen).records()
    for kind in ("uncached", "reads", "writes_5m", "writes_1h", "output", "tokens"):
        found = {
            (r["anthropic.workspace.name"], r["anthropic.model"], r["anthropic.usage.service_tier"]): r[kind]
            for r in records
        }
        assert_equal(found, by(t, ["workspace", "model", "tier"], kind))
