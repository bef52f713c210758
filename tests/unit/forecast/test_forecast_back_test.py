"""The forecast of a month's end beats two baselines on simulated years, and its band holds what it says."""

from __future__ import annotations

import pytest

from tests.harness.forecast_shapes import SHAPES, score


@pytest.mark.parametrize("shape", SHAPES)
def test_the_forecast_beats_both_baselines_and_its_band_covers_about_80_of_100_months(shape: str) -> None:
    found = score(shape, seeds=2, every=3)
    assert found.forecast < min(found.same_rate, found.last_seven)
    assert 0.72 <= found.covered <= 0.88
