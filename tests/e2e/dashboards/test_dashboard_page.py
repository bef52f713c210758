"""All dashboards on one page, drawn from real data in a real browser, as wide as a desk and as a phone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anthropic_metrics.cli import app
from anthropic_metrics.cli.dashboards import draw
from anthropic_metrics.kibana.definitions import Chart
from anthropic_metrics.simulator import ADMIN_KEY
from tests.browser.chromium import find
from tests.browser.devtools import Window
from tests.browser.look import WIDTHS, look
from tests.harness import readme
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
    plots = [panel for panel in charts if isinstance(panel, Chart) and panel.kind != "ranking"]
    assert report["charts"] == len(plots)


def test_a_table_folds_sorts_and_says_that_it_goes_on(window: Window, page: Path) -> None:
    look(window, page, WIDTHS["phone"])
    title = "tokens-by-workspace-model-and-service-tier"
    table = f"document.querySelector('[data-panel={title}] table')"
    rows = f"[...{table}.tBodies[0].rows]"
    visible = f"{rows}.filter(row => row.offsetHeight).length"
    button = f"document.querySelector('[data-panel={title}] .more').click()"
    assert window.ask(visible) == 8
    window.ask(button)
    assert window.ask(visible) > 15
    click = f"{table}.tHead.rows[0].cells[{{}}].querySelector('button').click()"
    values = f"{rows}.map(row => Number(row.cells[7].dataset.v))"
    window.ask(click.format(7))
    tokens = window.ask(values)
    assert tokens == sorted(tokens, reverse=True)
    window.ask(click.format(7))
    assert window.ask(values) == sorted(tokens)
    window.ask(click.format(0))
    names = window.ask(f"{rows}.map(row => row.cells[0].textContent)")
    assert names == sorted(names)
    assert window.ask(f"document.querySelector('[data-panel={title}] .hint').hidden") is False


def test_a_chart_shows_the_values_under_the_pointer(window: Window, page: Path) -> None:
    look(window, page, WIDTHS["desk"])
    area = "document.querySelector('[data-panel=spend-a-day-by-model-usd] .area')"
    place = f"{area}.getBoundingClientRect()"
    window.ask(
        f"{area}.dispatchEvent(new PointerEvent('pointermove', {{clientX: {place}.right - 8, clientY: 300}}))"
    )
    text = window.ask("document.getElementById('reading').innerText")
    assert "2026-10-0" in text
    assert "claude-opus-5-5" in text


def test_on_a_phone_a_number_in_the_first_three_columns_needs_no_scrolling(
    window: Window, page: Path
) -> None:
    look(window, page, WIDTHS["phone"])
    numbers = "[...document.querySelectorAll('.rows')].map(table => table.querySelector('td.number'))"
    hidden = "cell => cell?.cellIndex < 3 && cell.getBoundingClientRect().right > innerWidth"
    panels = "map(cell => cell.closest('article').dataset.panel)"
    assert window.ask(f"{numbers}.filter({hidden}).{panels}") == []


@pytest.mark.parametrize("command", ["spend --since 24h --by key", "budgets", "headroom --since 24h"])
def test_the_readme_shows_what_the_command_prints(
    filled: World, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    settings = {
        "anthropic": {"base_url": filled.server.url, "admin_key": ADMIN_KEY, "requests_per_minute": 60_000},
        "elasticsearch": {"hosts": list(filled.config.elasticsearch.hosts)},
        "namespace": filled.config.namespace,
        "budgets": [
            {"name": "everything", "usd": 60_000},
            {"name": "batch", "api_key": "nightly-batch", "usd": 9_000},
        ],
    }
    path.write_text(json.dumps(settings), "utf-8")
    monkeypatch.setattr(f"anthropic_metrics.cli.{command.split()[0]}.utc_now", lambda: NOW)
    done = CliRunner().invoke(app, [*command.split(), "--config", str(path)])
    assert done.exit_code == 0
    readme.hold(command, done.stdout)
