"""The demo's summary counts this agent's documents and nobody else's."""

from __future__ import annotations

import pytest

from anthropic_metrics.cli.overview import PANELS, Panel


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.name)
def test_every_panel_of_the_summary_reads_only_documents_of_this_agent(panel: Panel) -> None:
    source, condition, *_ = panel.query_over("ops").split(" | ")
    assert source.endswith("-ops")
    assert condition == 'WHERE agent.name == "anthropic-metrics"'
