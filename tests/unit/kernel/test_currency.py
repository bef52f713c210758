"""US dollars are recognised alike by every reader, in code and in queries."""

from __future__ import annotations

import pytest

from anthropic_metrics.kernel.currency import USD_SPELLINGS, is_usd


@pytest.mark.parametrize(("code", "dollars"), [("USD", True), ("usd", True), ("Usd", True), ("EUR", False)])
def test_dollars_are_dollars_in_any_case_and_a_query_by_value_takes_the_same(
    code: str, dollars: bool
) -> None:
    assert is_usd(code) is dollars
    assert (code in USD_SPELLINGS) is dollars
