"""All dashboards on one page, drawn from real data in a real browser, as wide as a desk and as a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from anthropic_metrics.cli.dashboards import draw
from anthropic_metrics.kibana.definitions import Chart, Heatmap
from tests.browser.chromium import find
from tests.browser.devtools import Window
from tests.browser.look import WIDTHS, look
from tests.harness.dashboard_world import BUNDLE, NOW
from tests.harness.world import World


@pytest.fixture(scope="module")
def page(filled: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawn = draw(filled.es, filled.config.namespace, NOW)
    assert drawn.failures == []
    path = tmp_path_factory.mktemp("page") / "dashboards.html"
    path.write_text(drawn.html, "utf-8")
    return path


@pytest.fixture(scope="module")
def window(machine_environ: dict[str, str]) -> Iterator[Window]:
    with Window(find(machine_environ)) as opened:
        yield opened


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS)
def test_the_page_fits_and_every_chart_is_drawn_without_a_script_error(
    window: Window, page: Path, width: int
) -> None:
    charts = [panel for each in BUNDLE.dashboards for panel in each.queried()]
    report = look(window, page, width)
    assert report["faults"] == []
    assert report["charts"] == sum(isinstance(panel, (Chart, Heatmap)) for panel in charts)
