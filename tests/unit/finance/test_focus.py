"""List prices and names of providers in a FOCUS file."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace

import pytest

from anthropic_metrics.config.money import PriceSettings
from anthropic_metrics.finance.charges import Charge
from anthropic_metrics.finance.focus import focus_csv
from anthropic_metrics.spend.table import configured_prices, list_prices
from tests.harness.finance_samples import charge, ledger, names

OWN: tuple[Mapping[str, object], ...] = (
    {"model": "claude-opus-5-5", "output": 16, "batch": "0.4"},
    {"model": "claude-in-house", "output": 3, "valid_from": "2026-10-05"},
)


def row(
    *charges: Charge, own: tuple[Mapping[str, object], ...] = OWN, version: str = "1.2"
) -> dict[str, str]:
    """The first row of the file of these charges."""
    text = focus_csv(
        replace(ledger(), shares=charges),
        names(),
        list_prices(),
        configured=configured_prices(PriceSettings.model_validate(each) for each in own),
        version=version,
    )
    return next(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def used(**dimensions: str) -> Charge:
    """A million output tokens for 15 dollars."""
    plain = charge("15", quantity=1_000_000)
    return replace(plain, dimensions={**plain.dimensions, **dimensions})


@pytest.mark.parametrize(
    ("dimensions", "price", "basis"),
    [
        ({}, "16.0", "configured"),
        ({"service_tier": "batch"}, "6.4", "configured"),
        ({"model": "claude-in-house"}, "3.0", "configured"),
        ({"model": "claude-haiku-5-5"}, None, "list"),
        ({"model": "nobody-knows-it"}, "15.0", "billed"),
    ],
)
def test_a_price_of_the_configuration_goes_before_the_list_and_the_bill_is_the_last_choice(
    dimensions: dict[str, str], price: str | None, basis: str
) -> None:
    found = row(used(**dimensions))

    assert found["x_ListCostBasis"] == basis
    assert price in (None, found["ListUnitPrice"])
    assert found["ListUnitPrice"] == found["ListCost"] == found["PricingCurrencyListUnitPrice"]
    assert found["BilledCost"] == found["ContractedCost"] == "15.0"


def test_a_kind_of_tokens_that_the_configuration_leaves_out_has_its_list_price() -> None:
    assert row(replace(used(), meter="uncached_input"))["x_ListCostBasis"] == "list"


def test_a_configured_price_that_is_not_valid_yet_is_none() -> None:
    later = ({"model": "claude-opus-5-5", "output": 16, "valid_from": "2026-10-06"},)

    assert row(used(), own=later)["x_ListCostBasis"] == "list"


def test_every_later_name_is_a_column_of_its_own_beside_those_of_1_2() -> None:
    old, new = row(used()), row(used(), version="1.3")

    assert {name: new[name] for name in old} == old
    assert {name: new[name] for name in new.keys() - old.keys()} == {
        "ServiceProviderName": "Anthropic",
        "HostProviderName": "Anthropic",
    }
