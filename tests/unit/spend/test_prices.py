"""Where an early figure comes from: the bill's own price, the configured one, the list, or nowhere."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from anthropic_metrics.spend.estimate import Prices, at_list_price, estimate, saved_by_cache
from anthropic_metrics.spend.learn import DayPrices, Learned, day_prices, newest
from anthropic_metrics.spend.money import Usd, usd
from anthropic_metrics.spend.rows import Billed, Counts, Used
from anthropic_metrics.spend.table import Entry, PriceTable, list_prices

DAY = date(2026, 11, 20)
START = datetime(2026, 11, 20, 9, tzinfo=UTC)
GROUP_BY = ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id")
MILLION = 1_000_000
NOTHING = PriceTable(())


def row(counts: Counts, **changed: str | None) -> Used:
    dimensions: dict[str, str | None] = {
        "model": "claude-opus-5-5",
        "workspace_id": "wrkspc_a",
        "service_tier": "standard",
        "inference_geo": "global",
        "api_key_id": "apikey_1",
    }
    return Used(START, dimensions | changed, counts)


def prices(*days: DayPrices, configured: PriceTable = NOTHING, day: date = DAY) -> Prices:
    return Prices(
        day, GROUP_BY, newest(((each.day, each.learned()) for each in days), day), configured, list_prices()
    )


def billed_day(day: date, amount: str, tokens: int, workspace: str = "wrkspc_b") -> DayPrices:
    line = Billed(
        day,
        workspace,
        usd(amount),
        "tokens",
        "claude-opus-5-5",
        "output_tokens",
        "standard",
        "0-200k",
        "global",
    )
    used = Used(
        datetime(day.year, day.month, day.day, tzinfo=UTC),
        {"model": "claude-opus-5-5", "service_tier": "standard", "inference_geo": "global"},
        Counts(output=tokens),
    )
    return day_prices(day, [line], [used], GROUP_BY)


@pytest.mark.parametrize(
    ("model", "changed", "day", "expected"),
    [
        ("claude-opus-5-5", {}, DAY, "4 0.2 5 8 20"),
        ("claude-opus-5-5", {"service_tier": "batch"}, DAY, "2 0.1 2.5 4 10"),
        ("claude-opus-5-5", {"inference_geo": "us"}, DAY, "4.4 0.22 5.5 8.8 22"),
        ("claude-opus-5-5", {"speed": "fast"}, DAY, "8 0.4 10 16 40"),
        ("claude-haiku-4-5-20251001", {"inference_geo": "not_available"}, DAY, "1 0.1 1.25 2 5"),
        ("claude-sonnet-4-5-20250929", {"context_window": "200k-1M"}, DAY, "6 0.6 7.5 12 22.5"),
        ("claude-sonnet-5-5", {}, date(2026, 10, 6), "2 0.2 2.5 4 10"),
        ("claude-sonnet-5-5", {}, date(2026, 10, 7), "2 0.1 2.5 4 10"),
    ],
)
def test_list_prices_by_model_tier_geo_speed_window_and_day(
    model: str, changed: dict[str, str], day: date, expected: str
) -> None:
    dimensions = {"model": model, **changed}

    found = [list_prices().per_million(dimensions, part, day) for part in range(5)]

    assert found == [Decimal(text) for text in expected.split()]


@pytest.mark.parametrize(
    "dimensions",
    [
        {"model": "claude-opus-5-6"},
        {"model": "claude-opus-5-5-turbo"},
        {"model": None},
        {"model": "claude-opus-5-5", "service_tier": "flex"},
        {"model": "claude-opus-5-5", "inference_geo": "eu"},
        {"model": "claude-opus-4-7", "speed": "fast"},
    ],
)
def test_what_the_list_does_not_have_gets_no_price_and_never_a_neighbours(dimensions: dict[str, str]) -> None:
    assert list_prices().per_million(dimensions, 0, DAY) is None


def test_every_entry_of_the_list_says_where_and_when_it_was_read() -> None:
    for entry in list_prices().entries:
        assert entry.source
        assert entry.seen is not None


def test_the_bill_of_the_newest_settled_day_is_the_price_whatever_older_days_say() -> None:
    days = [billed_day(date(2026, 11, 17), "18", MILLION), billed_day(date(2026, 11, 16), "20", MILLION)]

    found = estimate(row(Counts(output=500_000)), prices(*days))

    assert (found.amount, found.source) == (Decimal(9), "learned")


def test_a_day_with_few_tokens_tells_no_price_and_neither_does_a_later_or_a_too_old_one() -> None:
    days = [
        billed_day(date(2026, 11, 17), "18", 9_999),
        billed_day(date(2026, 11, 20), "1", MILLION),
        billed_day(date(2026, 10, 10), "1", MILLION),
    ]

    found = estimate(row(Counts(output=MILLION)), prices(*days))

    assert (found.amount, found.source) == (Decimal(20), "list")


def test_a_configured_price_comes_before_the_list_and_after_the_bill() -> None:
    configured = PriceTable((Entry(frozenset({"claude-opus-5-5"}), {"output": Decimal(15)}),))

    found = estimate(row(Counts(uncached_input=MILLION, output=MILLION)), prices(configured=configured))

    assert (found.amount, found.source) == (Decimal(19), "list")
    billed = prices(billed_day(date(2026, 11, 17), "18", MILLION), configured=configured)
    assert estimate(row(Counts(output=MILLION)), billed).amount == Decimal(18)
    assert estimate(row(Counts(output=MILLION)), prices(configured=configured)).source == "configured"


def test_an_unknown_model_has_no_amount_and_its_tokens_are_counted() -> None:
    found = estimate(row(Counts(uncached_input=7, output=5), model="claude-next"), prices())

    assert (found.amount, found.source, found.unpriced_tokens) == (None, "none", 12)


def test_tokens_without_a_price_beside_priced_ones_are_counted_too() -> None:
    configured = PriceTable((Entry(frozenset({"claude-next"}), {"output": Decimal(10)}),))

    found = estimate(
        row(Counts(uncached_input=7, output=MILLION), model="claude-next"), prices(configured=configured)
    )

    assert (found.amount, found.source, found.unpriced_tokens) == (Decimal(10), "configured", 7)


def test_a_priority_row_is_paid_by_commitment_and_not_unpriced() -> None:
    found = estimate(row(Counts(output=9), service_tier="priority"), prices())

    assert (found.amount, found.source, found.unpriced_tokens, found.priority_tokens) == (None, None, 0, 9)


def test_web_searches_have_the_price_that_the_bill_learned_over_all_models() -> None:
    line = Billed(date(2026, 11, 17), "wrkspc_b", usd("0.16"), "web_search")
    used = Used(datetime(2026, 11, 17, tzinfo=UTC), {"model": "claude-x"}, Counts(web_search=20))
    learned = prices(day_prices(date(2026, 11, 17), [line], [used], GROUP_BY))

    assert estimate(row(Counts(web_search=5)), learned).amount == Decimal("0.04")
    assert estimate(row(Counts(web_search=5)), prices()).amount == Decimal("0.05")


def test_the_parts_of_an_estimate_add_up_to_its_amount() -> None:
    found = estimate(row(Counts(3, 7, 11, 13, 17, 1)), prices())

    assert found.amount == sum(found.parts, Decimal(0))


def test_cache_saving_is_the_uncached_price_less_what_reads_and_writes_cost_and_may_be_negative() -> None:
    reads, writes = row(Counts(cache_read=MILLION)), row(Counts(cache_write_1h=MILLION))

    for one, expected in ((reads, Decimal("3.8")), (writes, Decimal(-4))):
        assert saved_by_cache(one, estimate(one, prices()).parts, prices()) == expected
    assert saved_by_cache(row(Counts(output=1)), estimate(reads, prices()).parts, prices()) is None


def test_the_list_amount_is_absent_unless_the_list_knows_all_of_the_row() -> None:
    assert at_list_price(row(Counts(output=MILLION)), prices()) == Decimal(20)
    assert at_list_price(row(Counts(output=MILLION), model="claude-next"), prices()) is None


def test_prices_are_learned_over_all_workspaces_of_a_cell() -> None:
    day = date(2026, 11, 17)
    found = billed_day(day, "10", MILLION)
    found.bill(
        Billed(day, "wrkspc_c", Usd(Decimal(2)), "tokens", "claude-opus-5-5", "output_tokens", "standard",
               "0-200k", "global"),
        GROUP_BY,
    )  # fmt: skip

    ((_key, learned),) = found.learned().items()

    assert learned == Learned(usd("12"), MILLION, day)


def test_exactly_enough_tokens_on_the_oldest_day_that_counts_tell_a_price() -> None:
    oldest = billed_day(date(2026, 10, 20), "0.18", 10_000)
    found = estimate(row(Counts(output=MILLION)), prices(oldest))
    assert (found.amount, found.source) == (Decimal(18), "learned")


def test_a_bill_of_nothing_tells_no_price() -> None:
    """A free month, or a credit that takes a line back: the list is nearer than zero."""
    found = estimate(row(Counts(output=MILLION)), prices(billed_day(date(2026, 11, 17), "0", MILLION)))
    assert (found.amount, found.source) == (Decimal(20), "list")


def test_a_line_of_another_kind_or_an_unknown_token_type_tells_no_price() -> None:
    day = date(2026, 11, 17)
    of_tokens = ("claude-opus-5-5", "output_tokens", "standard", "0-200k", "global")
    lines = [
        Billed(day, "wrkspc_a", usd("18"), "session_usage", *of_tokens),
        Billed(day, "wrkspc_a", usd("18"), "tokens", "claude-opus-5-5", "thought_tokens", *of_tokens[2:]),
    ]
    assert day_prices(day, lines, [row(Counts(output=MILLION))], GROUP_BY).learned() == {}


def test_an_unknown_geo_has_one_price_however_the_bill_and_usage_spell_it() -> None:
    day = date(2026, 11, 17)
    line = Billed(day, "wrkspc_a", usd("3"), "tokens", "claude-opus-4-8", "output_tokens", "standard")
    opus: dict[str, str | None] = {"model": "claude-opus-4-8", "inference_geo": "not_available"}
    learned = day_prices(day, [line], [row(Counts(output=MILLION), **opus)], GROUP_BY)
    for geo in ("not_available", None):
        found = estimate(row(Counts(output=MILLION), **opus | {"inference_geo": geo}), prices(learned))
        assert (found.amount, found.source) == (Decimal(3), "learned")


def test_usage_that_is_not_grouped_by_tier_is_estimated_as_standard() -> None:
    whole = row(Counts(output=MILLION))
    dimensions = {name: value for name, value in whole.dimensions.items() if name != "service_tier"}
    found = estimate(Used(START, dimensions, whole.counts), prices())
    assert (found.amount, found.unpriced_tokens) == (Decimal(20), 0)


def test_web_searches_without_a_price_are_no_tokens_without_one() -> None:
    nothing = Prices(DAY, GROUP_BY, {}, NOTHING, NOTHING)
    assert estimate(row(Counts(web_search=3)), nothing).unpriced_tokens == 0


def test_cache_saving_counts_reads_and_both_kinds_of_writes_and_nothing_else() -> None:
    """A million of each at 4 dollars uncached, less 0.20, 5 and 8 dollars; output and searches aside."""
    one = row(Counts(MILLION, MILLION, MILLION, MILLION, MILLION, 1000))
    assert saved_by_cache(one, estimate(one, prices()).parts, prices()) == Decimal("12") - Decimal("13.20")


def test_a_price_that_depends_on_the_length_of_the_prompt_is_known_to_do_so() -> None:
    models = ("claude-haiku-5-5", "claude-opus-5-5", "claude-unknown", None)
    assert [list_prices().tiered(model, DAY) for model in models] == [True, False, False, False]


def test_a_model_without_a_factor_for_us_costs_the_same_there() -> None:
    haiku = {"model": "claude-haiku-4-5-20251001", "inference_geo": "us"}
    assert list_prices().per_million(haiku, 0, DAY) == 1


def test_searches_of_a_priority_row_are_paid_by_their_price_and_are_none_of_its_tokens() -> None:
    found = estimate(row(Counts(output=7, web_search=1000), service_tier="priority"), prices())
    assert (found.amount, found.priority_tokens, found.unpriced_tokens) == (Decimal(10), 7, 0)
