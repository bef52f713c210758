"""Print where prices.toml and the price data of other packages differ; see scripts/prices.

Ends with 1 if a model of the table has another price elsewhere. A model that only one side knows is listed
and is no failure: packages drop old models and add names that no report has.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from anthropic_metrics.spend.table import MILLION, TOKEN_NAMES, list_prices

# Price by (model, kind, tier); dollars per million tokens.
Prices = dict[tuple[str, str, str], Decimal]

_LITELLM = {
    "uncached_input": "input_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write_5m": "cache_creation_input_token_cost",
    "cache_write_1h": "cache_creation_input_token_cost_above_1hr",
    "output": "output_cost_per_token",
}
_GENAI = {
    "uncached_input": "input_mtok",
    "cache_read": "cache_read_mtok",
    "cache_write_5m": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "output": "output_mtok",
}


def of_litellm() -> Prices:
    spec = importlib.util.find_spec("litellm")
    if spec is None or spec.origin is None:
        return {}
    file = Path(spec.origin).with_name("model_prices_and_context_window_backup.json")
    models: dict[str, dict[str, Any]] = json.loads(file.read_text("utf-8"), parse_float=Decimal)
    prices: Prices = {}
    for model, row in models.items():
        if row.get("litellm_provider") != "anthropic":
            continue
        for name, field in _LITELLM.items():
            for tier, suffix in (("standard", ""), ("batch", "_batches")):
                if (price := row.get(field + suffix)) is not None:
                    prices[model, name, tier] = Decimal(price) * MILLION
    return prices


def of_genai_prices(models: Iterator[str], day: date) -> Prices:
    snapshot: Any = importlib.import_module("genai_prices.data_snapshot").get_snapshot()
    (provider,) = (provider_ for provider_ in snapshot.providers if provider_.id == "anthropic")
    known: Prices = {}
    for model in models:
        info = provider.find_model(model)
        if info is None:
            continue
        prices = info.get_prices(datetime(day.year, day.month, day.day, tzinfo=UTC))
        for name, field in _GENAI.items():
            price = getattr(prices, field)
            if price is not None:
                known[model, name, "standard"] = Decimal(getattr(price, "base", price))
    return known


def of_table(day: date) -> Prices:
    table, prices = list_prices(), Prices()
    for model in sorted({model for entry in table.entries for model in entry.models}):
        for part, name in enumerate(TOKEN_NAMES):
            for tier in ("standard", "batch"):
                price = table.per_million({"model": model, "service_tier": tier}, part, day)
                if price is not None:
                    prices[model, name, tier] = price
    return prices


def differences(ours: Mapping[tuple[str, str, str], Decimal], theirs: Prices) -> Iterator[str]:
    for key in sorted(ours.keys() & theirs.keys()):
        if ours[key] != theirs[key]:
            yield f"{' '.join(key)}: {ours[key]} here, {theirs[key]} there"


def main() -> int:
    day = datetime.now(UTC).date()
    ours = of_table(day)
    models = sorted({model for model, _name, _tier in ours})
    differing = 0
    for source, theirs in (("litellm", of_litellm()), ("genai-prices", of_genai_prices(iter(models), day))):
        lines = list(differences(ours, theirs))
        differing += len(lines)
        known = {model for model, _name, _tier in theirs}
        compared = len(ours.keys() & theirs.keys())
        sys.stdout.write(f"{source}: {compared} prices compared, {len(lines)} differ\n")
        sys.stdout.writelines(f"  {line}\n" for line in lines)
        for title, missing in (("only here", set(models) - known), ("only there", known - set(models))):
            if missing:
                sys.stdout.write(f"  {title}: {', '.join(sorted(missing))}\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
