"""A period's charges in FOCUS, the FinOps Open Cost and Usage Specification: a row per day, key and meter.

Release 1.2 by default; 1.3 adds the names of the service's and the host's provider. Credits, tax and
commitments are not in the Admin API, so there are no rows for them. Columns that begin with `x_` are ours.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from anthropic_metrics.finance.charges import Charge
from anthropic_metrics.finance.grouping import By, Labels
from anthropic_metrics.finance.ledger import Ledger
from anthropic_metrics.finance.period import month_of
from anthropic_metrics.finance.text_files import field_text
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ranges import iso
from anthropic_metrics.spend.money import EXACT, WIDE, Usd, usd_text
from anthropic_metrics.spend.rows import PART_NAMES, SEARCHES
from anthropic_metrics.spend.settle import day_start
from anthropic_metrics.spend.table import MILLION, PriceTable

PROVIDER = "Anthropic"
METERS = {
    "uncached_input": "Input Tokens",
    "cache_read": "Cache Read Input Tokens",
    "cache_write_5m": "Cache Write 5m Input Tokens",
    "cache_write_1h": "Cache Write 1h Input Tokens",
    "output": "Output Tokens",
    "web_search": "Web Searches",
}
_SEARCHES_PER_UNIT = 1000
_CACHE_ACTIONS = {"cache_read": "Read", "cache_write_5m": "Write 5m", "cache_write_1h": "Write 1h"}
_UNIT_DIGITS = Decimal(1).scaleb(-14)
_BY_KEY = By(("key",))
NO_PRICES = PriceTable(())
Prices = tuple[tuple[str, PriceTable], ...]


@dataclass(frozen=True, slots=True)
class _Quantity:
    """How much was used and priced; `known` is false where the bill does not say."""

    consumed: Decimal
    unit: str
    priced: Decimal
    pricing_unit: str
    known: bool = True


def focus_csv(
    ledger: Ledger,
    names: Names,
    listed: PriceTable,
    *,
    configured: PriceTable = NO_PRICES,
    version: str = "1.2",
    bom: bool = False,
) -> str:
    """The file. BilledCost adds up to the bill exactly; no number has an exponent.

    `ledger` has to be read with usage. A price that is `configured` goes before the one that is `listed`.
    """
    prices: Prices = (("configured", configured), ("list", listed))
    labels = Labels(names)
    out = io.StringIO()
    writer: csv.DictWriter[str] | None = None
    for charge in _billable(ledger.charges(by_key=True)):
        row = _row(charge, names, labels, prices, ledger.open_days, version)
        if writer is None:
            writer = csv.DictWriter(out, sorted(row, key=_order), lineterminator="\r\n")
            writer.writeheader()
        writer.writerow(row)
    return ("\ufeff" if bom else "") + out.getvalue()


def _billable(charges: Iterable[Charge]) -> Iterator[Charge]:
    """Without what a commitment pays for: its money is in no report."""
    return (charge for charge in charges if charge.amount or not charge.is_committed)


def _order(name: str) -> tuple[bool, str]:
    return name.startswith("x_"), name


def _row(
    charge: Charge,
    names: Names,
    labels: Labels,
    prices: Prices,
    open_days: frozenset[date],
    version: str,
) -> dict[str, str]:
    return {
        **_whose(charge, names),
        **_when(charge),
        **_what(charge),
        **_costs(charge, prices),
        **_providers(version),
        **_ours(charge, names, labels, open_days),
    }


def _whose(charge: Charge, names: Names) -> dict[str, str]:
    id_ = charge.workspace_id or ""
    space = names.workspaces.get(id_)
    return {
        "BillingAccountId": names.organization_id,
        "BillingAccountName": field_text(names.organization_name or names.organization_id),
        "BillingAccountType": "Organization",
        "BillingCurrency": "USD",
        "InvoiceId": "",
        "SubAccountId": id_,
        "SubAccountName": field_text(space.name if space else id_),
        "SubAccountType": "Workspace" if id_ else "",
        "Tags": json.dumps(dict(space.tags) if space else {}, ensure_ascii=False),
    }


def _when(charge: Charge) -> dict[str, str]:
    start, month = day_start(charge.day), month_of(charge.day)
    return {
        "BillingPeriodStart": _time(day_start(month.start)),
        "BillingPeriodEnd": _time(day_start(month.end)),
        "ChargePeriodStart": _time(start),
        "ChargePeriodEnd": _time(start + timedelta(days=1)),
    }


def _what(charge: Charge) -> dict[str, str]:
    meter = METERS.get(charge.meter) or (charge.cost_type or "Other").replace("_", " ").title()
    offering = charge.model or charge.cost_type or "other"
    details = _details(charge)
    sku = f"{offering}|{meter}"
    return {
        "ChargeCategory": "Usage",
        "ChargeClass": "",
        "ChargeDescription": f"{offering} {meter}",
        "ChargeFrequency": "Usage-Based",
        "CommitmentDiscountId": "",
        "CommitmentDiscountStatus": "",
        "PricingCategory": "Standard",
        "RegionId": "",
        "RegionName": "",
        "ResourceId": "",
        "ResourceName": "",
        "ResourceType": "",
        "ServiceCategory": "AI and Machine Learning",
        "ServiceName": "Claude API",
        "ServiceSubcategory": "Generative AI",
        "SkuId": sku,
        "SkuMeter": meter,
        "SkuPriceDetails": json.dumps(details),
        "SkuPriceId": "|".join((sku, *(details[name] for name in _PRICED if name in details))),
    }


_PRICED = ("x_ServiceTier", "x_ContextWindow", "x_InferenceGeo", "x_Speed")


def _details(charge: Charge) -> dict[str, str]:
    """What a price depends on; the same for each row of one SkuPriceId."""
    values = {
        "x_ModelId": charge.model,
        "x_ServiceTier": charge.dimensions.get("service_tier"),
        "x_ContextWindow": charge.dimensions.get("context_window"),
        "x_InferenceGeo": charge.dimensions.get("inference_geo"),
        "x_Speed": charge.dimensions.get("speed"),
    }
    if charge.meter in PART_NAMES[:SEARCHES]:
        values["x_TokenDirection"] = "Output" if charge.meter == "output" else "Input"
        if charge.meter != "output":
            values["x_TokenCacheAction"] = _CACHE_ACTIONS.get(charge.meter, "Uncached")
    return {name: value for name, value in values.items() if value}


def _costs(charge: Charge, prices: Prices) -> dict[str, str]:
    quantity = _quantity(charge)
    basis, per_unit = _list_price(charge, prices) if quantity.known else ("billed", None)
    cost = charge.amount
    own = _unit_price(cost, quantity.priced)
    listed = own if per_unit is None else per_unit
    list_cost = cost if per_unit is None else Usd(EXACT.multiply(per_unit, quantity.priced))
    money = {
        "BilledCost": cost,
        "ContractedCost": cost,
        "ContractedUnitPrice": own,
        "EffectiveCost": cost,
        "ListCost": list_cost,
        "ListUnitPrice": listed,
        "PricingCurrencyContractedUnitPrice": own,
        "PricingCurrencyEffectiveCost": cost,
        "PricingCurrencyListUnitPrice": listed,
        "ConsumedQuantity": quantity.consumed,
        "PricingQuantity": quantity.priced,
    }
    return {
        **{name: _number(value) for name, value in money.items()},
        "ConsumedUnit": quantity.unit,
        "PricingCurrency": "USD",
        "PricingUnit": quantity.pricing_unit,
        "x_ListCostBasis": basis,
    }


def _quantity(charge: Charge) -> _Quantity:
    if charge.meter in PART_NAMES[:SEARCHES] and charge.quantity:
        priced = Decimal(charge.quantity) / MILLION
        return _Quantity(Decimal(charge.quantity), "Tokens", priced, "1000000 Tokens")
    if charge.meter == PART_NAMES[SEARCHES] and charge.quantity:
        priced = Decimal(charge.quantity) / _SEARCHES_PER_UNIT
        return _Quantity(Decimal(charge.quantity), "Requests", priced, "1000 Requests")
    return _Quantity(Decimal(1), "Units", Decimal(1), "Units", known=False)


def _list_price(charge: Charge, prices: Prices) -> tuple[str, Usd | None]:
    """The price of one pricing unit without discounts, from the first table that has it, and which it is."""
    part = PART_NAMES.index(charge.meter)
    for basis, table in prices:
        price = table.per_million(charge.dimensions, part, charge.day)
        if price is not None:
            per_search = Decimal(_SEARCHES_PER_UNIT).scaleb(-6)
            return basis, Usd(EXACT.multiply(price, per_search)) if part == SEARCHES else price
    return "billed", None


def _unit_price(cost: Usd, priced: Decimal) -> Usd:
    quotient = WIDE.divide(cost, priced)
    return Usd(quotient.quantize(_UNIT_DIGITS, context=WIDE))


def _providers(version: str) -> dict[str, str]:
    names = ["InvoiceIssuerName", "ProviderName", "PublisherName"]
    if version != "1.2":
        names += ["ServiceProviderName", "HostProviderName"]
    return dict.fromkeys(names, PROVIDER)


def _ours(charge: Charge, names: Names, labels: Labels, open_days: frozenset[date]) -> Mapping[str, str]:
    team = names.team_of(charge.dimensions) or {}
    (key,) = labels.of(charge, _BY_KEY)
    return {
        "x_CostBasis": "allocated",
        "x_CredentialId": charge.api_key_id or "",
        "x_CredentialName": field_text(key),
        "x_TeamName": field_text(team.get("name")),
        "x_CostCentre": field_text(team.get("cost_centre")),
        "x_Settled": "false" if charge.day in open_days else "true",
    }


def _number(value: Decimal) -> str:
    """All digits, no exponent, always with a point: a column of whole numbers would be read as integers."""
    text = usd_text(Usd(value))
    return text if "." in text else f"{text}.0"


def _time(moment: datetime) -> str:
    return iso(moment, "seconds")
