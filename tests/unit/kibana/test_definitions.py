"""Definitions are checked while they are read; a mistake names its file and place."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from anthropic_metrics.cli.dashboards import INSTANT, chosen_ranges
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kibana import bundle
from anthropic_metrics.kibana.ask import TimeRange, since
from anthropic_metrics.kibana.definitions import kibana_folder, load_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the definitions to spoil."""
    return Path(shutil.copytree(kibana_folder(), tmp_path / "kibana"))


def spoil(folder: Path, old: str, new: str, name: str = "overview.yaml") -> None:
    text = (folder / name).read_text("utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new, 1), "utf-8")


MISTAKES = {
    "an accessor that is no column": ("value: spent", "value: spend", "no such column: spend"),
    "an unknown key": ("beside: earlier", "besides: earlier", "besides"),
    "an unknown kind": ("kind: metric", "kind: donut", "kind"),
    "an unknown format": ("spent: [Month to date, usd]", "spent: [Month to date, eur]", "format"),
    "an unknown word": ("DATE_TRUNC(1 month, $end)", "DATE_TRUNC(1 month, $until)", "until"),
    "an unknown control": (
        "controls: [organization, workspace, model]",
        "controls: [workspace, team]",
        "team",
    ),
    "a range that Kibana rounds otherwise": ("range: now-1M/M", "range: now/M", "range"),
}


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_names_its_file_and_place(folder: Path, old: str, new: str, said: str) -> None:
    spoil(folder, old, new)
    with pytest.raises(ConfigError, match=r"overview\.yaml: ") as caught:
        load_bundle(folder)
    assert said in str(caught.value)


def test_an_outdated_file_is_told_and_written_anew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bundle.main(["--check"], folder) == 0
    spoil(folder, "title: Active workspaces", "title: Busy workspaces")
    assert bundle.main(["--check"], folder) == 1
    assert "scripts/docs" in capsys.readouterr().err
    assert bundle.main(["--write"], folder) == 0
    assert bundle.main(["--check"], folder) == 0
    assert "Busy workspaces" in (folder / bundle.FILE).read_text("utf-8")


def test_a_new_dashboard_is_one_file(folder: Path) -> None:
    text = (folder / "tokens.yaml").read_text("utf-8").replace("title: Token usage", "title: Requests", 1)
    (folder / "requests.yaml").write_text(text.replace("place: 30", "place: 35", 1), "utf-8")
    names = [dashboard.name for dashboard in load_bundle(folder).dashboards]
    assert names == ["overview", "spend", "tokens", "requests", "cost", "headroom", "keys", "people", "agent"]
    assert '"id":"anthropic-metrics-requests"' in bundle.ndjson(load_bundle(folder))


NOW = datetime(2026, 3, 31, 15, 42, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("now-6h", datetime(2026, 3, 31, 9, 42, 10, tzinfo=UTC)),
        ("now-28d/d", datetime(2026, 3, 3, tzinfo=UTC)),
        ("now-2w/w", datetime(2026, 3, 16, tzinfo=UTC)),
        ("now-1M/M", datetime(2026, 2, 1, tzinfo=UTC)),
        ("now-3M/M", datetime(2025, 12, 1, tzinfo=UTC)),
    ],
)
def test_ranges_begin_where_kibana_begins_them(text: str, start: datetime) -> None:
    assert since(text, NOW) == start


@pytest.mark.parametrize(
    ("options", "start", "end"),
    [
        ({"month": "2026-02"}, datetime(2026, 2, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC) - INSTANT),
        ({"month": "2026-03"}, datetime(2026, 3, 1, tzinfo=UTC), NOW),
        ({"since": "7d"}, NOW - timedelta(days=7), NOW),
        (
            {"since": "2026-03-01", "until": "2026-03-08"},
            datetime(2026, 3, 1, tzinfo=UTC),
            datetime(2026, 3, 8, tzinfo=UTC) - INSTANT,
        ),
        (
            {"until": "2026-03-15T12:00Z"},
            datetime(2026, 2, 1, tzinfo=UTC),
            datetime(2026, 3, 15, 12, tzinfo=UTC) - INSTANT,
        ),
        ({}, datetime(2026, 2, 1, tzinfo=UTC), NOW),
    ],
)
def test_a_page_covers_the_range_that_is_chosen(
    options: dict[str, str], start: datetime, end: datetime
) -> None:
    overview = load_bundle().dashboards[0]
    assert chosen_ranges(NOW, **options)(overview) == TimeRange(start, end)
