"""The comparison of the price list with other packages (scripts/prices), by stand-ins for them."""

from __future__ import annotations

import importlib.util
import json
import sys
from datetime import date
from decimal import Decimal
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from anthropic_metrics.spend import compare

OPUS = {"input_cost_per_token": 4e-06, "output_cost_per_token": 2e-05, "output_cost_per_token_batches": 1e-05}


def put(
    monkeypatch: pytest.MonkeyPatch, folder: Path, litellm: dict[str, Any], genai: dict[str, Any]
) -> None:
    """Both packages with these prices: dollars a token of litellm, dollars a million of genai-prices."""
    rows = {name: {"litellm_provider": "anthropic"} | row for name, row in litellm.items()}
    rows["gpt-x"] = {"litellm_provider": "openai", "input_cost_per_token": 1}
    file = folder / "model_prices_and_context_window_backup.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    spec = ModuleSpec("litellm", None, origin=str(folder / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)

    def find_model(name: str) -> Any:
        own = genai.get(name)
        return own and SimpleNamespace(get_prices=lambda at: SimpleNamespace(**dict.fromkeys(FIELDS), **own))

    provider = SimpleNamespace(id="anthropic", find_model=find_model)
    snapshot = SimpleNamespace(providers=[SimpleNamespace(id="openai"), provider])
    module = SimpleNamespace(get_snapshot=lambda: snapshot)
    monkeypatch.setitem(sys.modules, "genai_prices.data_snapshot", module)


FIELDS = ("cache_read_mtok", "cache_write_mtok", "cache_write_1h_mtok", "output_mtok")


def test_prices_that_agree_are_counted_and_models_of_one_side_are_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiered = SimpleNamespace(base=Decimal(4))
    put(
        monkeypatch,
        tmp_path,
        {"claude-opus-5-5": OPUS, "claude-1": OPUS},
        {"claude-opus-5-5": {"input_mtok": tiered}},
    )
    assert compare.main() == 0
    said = capsys.readouterr().out
    assert "litellm: 3 prices compared, 0 differ" in said
    assert "only there: claude-1\n" in said
    assert "genai-prices: 1 prices compared, 0 differ" in said
    assert "gpt-x" not in said


def test_a_price_that_differs_is_named_with_both_and_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(monkeypatch, tmp_path, {"claude-opus-5-5": OPUS | {"output_cost_per_token": 2.5e-05}}, {})
    assert compare.main() == 1
    assert "  claude-opus-5-5 output standard: 20 here, 25.000000 there" in capsys.readouterr().out


def test_the_table_has_every_price_of_its_models_by_tier() -> None:
    prices = compare.of_table(date(2026, 11, 25))
    assert prices["claude-opus-5-5", "output", "standard"] == 20
    assert prices["claude-opus-5-5", "output", "batch"] == 10
