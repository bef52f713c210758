"""Whatever the organization and the bill: the shares add up to the bill, digit for digit."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_metrics.spend.allocate import Allocation, allocate
from anthropic_metrics.spend.money import Usd, share_out, times, total, usd, usd_text
from anthropic_metrics.spend.rows import BILLED_DIMENSIONS, TOKEN_TYPES, Billed, Counts, Used

DAY = date(2026, 11, 20)
START = datetime(2026, 11, 20, tzinfo=UTC)
WORKSPACES = ("Default", "wrkspc_a", "wrkspc_b", "wrkspc_gone")
MODELS = ("claude-opus-5-5", "claude-haiku-5-5", "claude-next")
GROUPINGS = (
    ("model", "workspace_id", "service_tier", "inference_geo", "api_key_id"),
    ("workspace_id", "model", "service_tier", "context_window", "inference_geo"),
    ("workspace_id", "api_key_id"),
    ("workspace_id",),
)
VALUES: dict[str, tuple[str | None, ...]] = {
    "workspace_id": WORKSPACES[:3],
    "model": MODELS,
    "service_tier": ("standard", "batch", "priority", "flex"),
    "context_window": ("0-200k", "200k-1M"),
    "inference_geo": ("global", "us", "not_available", None),
    "api_key_id": ("Console", "apikey_1", "apikey_2"),
}
AMOUNTS = st.decimals(-1000, 10**6, places=8, allow_nan=False).map(lambda value: usd(format(value, "f")))


@st.composite
def usage(draw: st.DrawFn) -> list[Used]:
    group_by = draw(st.sampled_from(GROUPINGS))
    rng = Random(draw(st.integers(0, 2**32)))
    rows = []
    for number in range(draw(st.integers(0, 40))):
        dimensions = {name: rng.choice(VALUES[name]) for name in group_by}
        counts = Counts(*(rng.choice((0, 1, rng.randrange(10**9))) for _ in range(6)))
        rows.append(Used(START + timedelta(hours=rng.randrange(24)), dimensions, counts, str(number)))
    return rows


@st.composite
def bill(draw: st.DrawFn) -> list[Billed]:
    rng = Random(draw(st.integers(0, 2**32)))
    lines = []
    for amount in draw(st.lists(AMOUNTS, max_size=40)):
        cost_type = rng.choice(("tokens", "tokens", "tokens", "web_search", "code_execution", None))
        tokens = cost_type == "tokens"
        lines.append(
            Billed(
                DAY,
                rng.choice(WORKSPACES),
                amount,
                cost_type,
                rng.choice(MODELS) if tokens else None,
                rng.choice((*TOKEN_TYPES, "a_new_type")) if tokens else None,
                rng.choice(("standard", "batch")) if tokens else None,
                rng.choice(("0-200k", "200k-1M")) if tokens else None,
                rng.choice(("global", "us", None)) if tokens else None,
                rng.choice(("Input", "Input, Fast Mode")),
            )
        )
    return lines


def by(found: Allocation, of: Callable[[str | None, str | None], str | None]) -> dict[str | None, Decimal]:
    """Dollars by a group of (workspace, key)."""
    sums: dict[str | None, Decimal] = {}
    for share in found.shares:
        dimensions = share.used.dimensions
        group = of(dimensions.get("workspace_id"), dimensions.get("api_key_id"))
        sums[group] = total((Usd(sums.get(group, Decimal(0))), share.amount or Usd(Decimal(0))))
    for line in found.unattributed:
        group = of(line.dimensions["workspace_id"], "Unattributed")
        sums[group] = total((Usd(sums.get(group, Decimal(0))), line.amount))
    return {group: amount for group, amount in sums.items() if amount}


@given(bill(), usage())
@settings(max_examples=400, deadline=None)
def test_spend_adds_up_to_the_bill_of_each_workspace_digit_for_digit(
    lines: list[Billed], rows: list[Used]
) -> None:
    found = allocate(lines, rows, DAY)

    expected: dict[str | None, Decimal] = {}
    for line in lines:
        expected[line.workspace_id] = expected.get(line.workspace_id, Decimal(0)) + line.amount
    assert by(found, lambda workspace, _key: workspace) == {
        workspace: amount for workspace, amount in expected.items() if amount
    }
    assert found.amount == sum((line.amount for line in lines), Decimal(0))


@given(bill(), usage())
@settings(max_examples=200, deadline=None)
def test_every_row_has_one_share_whose_parts_add_up_to_its_amount(
    lines: list[Billed], rows: list[Used]
) -> None:
    found = allocate(lines, rows, DAY)

    assert sorted(share.used.id for share in found.shares) == sorted(row.id for row in rows)
    assert sum(share.used.counts.tokens for share in found.shares) == sum(row.counts.tokens for row in rows)
    for share in found.shares:
        assert sum(share.parts, Decimal(0)) == (share.amount or 0)
        unbilled = share.used.tier in {"priority", "flex"}
        assert share.amount is not None or unbilled
        if share.amount is None:
            assert share.priority_tokens + share.unpriced_tokens == share.used.counts.tokens
    for rest in found.unattributed:
        assert sum(rest.parts, Decimal(0)) == rest.amount


@given(bill(), usage(), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_any_grouping_has_the_same_total_and_the_order_of_rows_does_not_matter(
    lines: list[Billed], rows: list[Used], rng: Random
) -> None:
    found = allocate(lines, rows, DAY)

    wholes = {
        sum(by(found, of).values(), Decimal(0))
        for of in (
            lambda workspace, _key: workspace,
            lambda _workspace, key: key,
            lambda workspace, key: f"{workspace} {key}",
            lambda _workspace, _key: None,
        )
    }
    assert wholes == {found.amount}
    rng.shuffle(lines)
    rng.shuffle(rows)
    assert allocate(lines, rows, DAY) == found


@given(bill(), usage(), st.data())
@settings(max_examples=150, deadline=None)
def test_a_revised_line_moves_the_shares_of_its_own_cell_and_nothing_else(
    lines: list[Billed], rows: list[Used], data: st.DataObject
) -> None:
    if not lines:
        return
    before = allocate(lines, rows, DAY)
    place = data.draw(st.integers(0, len(lines) - 1))
    old = lines[place]
    new = Billed(
        old.day,
        old.workspace_id,
        data.draw(AMOUNTS),
        old.cost_type,
        **{name: getattr(old, name) for name in (*BILLED_DIMENSIONS[1:], "token_type", "description")},
    )

    after = allocate([*lines[:place], new, *lines[place + 1 :]], rows, DAY)

    assert after.amount - before.amount == new.amount - old.amount
    for was, now in zip(before.shares, after.shares, strict=True):
        assert was.used == now.used
        if was != now:
            moved = [
                part for part, pair in enumerate(zip(was.parts, now.parts, strict=True)) if len(set(pair)) > 1
            ]
            assert len(moved) == 1
            assert was.used.counts[moved[0]]
            assert was.used.dimensions.get("workspace_id") == old.workspace_id


@given(AMOUNTS, st.lists(st.integers(0, 10**12), min_size=1, max_size=60).filter(any))
@settings(max_examples=300, deadline=None)
def test_shares_are_proportional_to_within_the_smallest_amount(amount: Usd, weights: list[int]) -> None:
    shares = share_out(amount, weights)

    assert sum(shares, Decimal(0)) == amount
    for weight, share in zip(weights, shares, strict=True):
        exact = times(amount, weight, sum(weights))
        assert abs(share - exact) <= Decimal("1e-10")
        assert weight or not share


@given(st.from_regex(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", fullmatch=True))
@settings(max_examples=300, deadline=None)
def test_an_amount_survives_text_unchanged_and_equal_amounts_have_equal_texts(text: str) -> None:
    amount = usd(text)

    assert usd(usd_text(amount)) == amount
    assert usd_text(usd(usd_text(amount) + ("0" if "." in usd_text(amount) else ".0"))) == usd_text(amount)
    assert share_out(amount, [1]) == [amount]


@given(st.lists(st.tuples(st.integers(0, 10**8), st.integers(0, 10**8)), min_size=1, max_size=8))
@settings(max_examples=200, deadline=None)
def test_a_blended_share_is_off_by_no_more_than_its_tokens_between_the_two_prices(
    keys: list[tuple[int, int]],
) -> None:
    """Of each key some tokens at 15 and some at 22.5 dollars a million, in a usage row without the window."""
    low, high = Decimal(15) / 10**6, Decimal("22.5") / 10**6
    short, long = sum(key[0] for key in keys), sum(key[1] for key in keys)
    windows = (("0-200k", short * low), ("200k-1M", long * high))
    lines = [
        Billed(DAY, "Default", Usd(amount), "tokens", MODELS[0], "output_tokens", "standard", window, "us")
        for window, amount in windows
        if amount
    ]
    cell = {"workspace_id": "Default", "model": MODELS[0], "service_tier": "standard", "inference_geo": "us"}
    rows = [
        Used(START, {**cell, "api_key_id": str(number)}, Counts(output=sum(key)), str(number))
        for number, key in enumerate(keys)
    ]

    for share in allocate(lines, rows, DAY).shares:
        mine, my_long = keys[int(share.used.id)]
        true = mine * low + my_long * high
        assert share.amount is not None
        assert share.blended == (bool(short and long) and bool(mine + my_long))
        mean = sum((line.amount for line in lines), Decimal(0)) / max(1, short + long)
        bound = (mine + my_long) * max(high - mean, mean - low)
        assert abs(share.amount - true) <= bound + Decimal("1e-9")
