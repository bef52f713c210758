"""Where the tests' browser comes from, and that a broken page is not called good."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from anthropic_metrics.errors import ConfigError, RetryLater
from tests.browser import chromium
from tests.browser.devtools import Window
from tests.browser.look import look, main

CHART = '<article data-panel="a"><div class="plot">{}</div></article>'
MARK = CHART.format("<svg><path/></svg>")


@pytest.fixture(scope="module")
def window(machine_environ: dict[str, str]) -> Iterator[Window]:
    with Window(chromium.find(machine_environ)) as opened:
        yield opened


def faults(window: Window, folder: Path, body: str) -> list[str]:
    page = folder / "page.html"
    page.write_text(f"<!doctype html><body style='margin:0'><main>{body}</main>", "utf-8")
    found: list[str] = look(window, page, 390)["faults"]
    return found


def test_a_page_with_marks_that_fits_is_good(window: Window, tmp_path: Path) -> None:
    assert faults(window, tmp_path, MARK) == []


def test_a_script_that_fails_at_once_or_later_is_a_fault(window: Window, tmp_path: Path) -> None:
    thrown = faults(window, tmp_path, MARK + "<script>nothing.at.all</script>")
    assert [fault.splitlines()[0] for fault in thrown] == [
        "script error: ReferenceError: nothing is not defined"
    ]
    promised = faults(window, tmp_path, MARK + "<script>Promise.reject(new Error('later'))</script>")
    assert "later" in promised[0]


def test_what_is_wider_than_the_window_or_its_place_is_a_fault(window: Window, tmp_path: Path) -> None:
    assert faults(window, tmp_path, MARK + "<p style='width:400px'>wide") == [
        "the page is 400 wide in a window of 390"
    ]
    hidden = f"<div style='overflow:hidden'><div style='width:500px'>{MARK}</div></div>"
    assert faults(window, tmp_path, hidden) == ["a is wider than its place"]
    tall = MARK.replace("<article", "<article style='height:40px'")
    assert faults(window, tmp_path, tall) == ["a is taller than its place"]


def test_a_chart_without_marks_and_a_page_without_charts_are_faults(window: Window, tmp_path: Path) -> None:
    assert faults(window, tmp_path, CHART.format("")) == ["a has no marks"]
    assert faults(window, tmp_path, "<article></article>") == ["no chart"]


def test_an_installed_browser_is_taken_and_nothing_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(chromium, "fetched")
    own = tmp_path / "google-chrome"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    assert chromium.find({"PATH": str(tmp_path)}) == chromium.Browser(own)


def test_a_browser_that_does_not_run_says_why_and_names_the_cure(tmp_path: Path) -> None:
    stub = tmp_path / "chromium"
    stub.write_text("#!/bin/sh\necho only a stub >&2\nexit 1\n")
    stub.chmod(0o755)
    with pytest.raises(ConfigError, match=r"does not run here: only a stub[\s\S]*Install Chromium"):
        Window(chromium.Browser(stub)).__enter__()


def test_a_browser_that_never_answers_ends_the_look_with_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    silent = tmp_path / "chromium"
    silent.write_text("#!/bin/sh\ncat <&3 >&2\n")  # takes commands until it is ended
    silent.chmod(0o755)
    monkeypatch.setattr("tests.browser.look.find", lambda _: chromium.Browser(silent))
    monkeypatch.setattr("tests.browser.look.LONGEST", 0.0)
    page = tmp_path / "page.html"
    page.touch()
    assert main([str(page), str(tmp_path / "new" / "pictures")]) == 2
    assert capsys.readouterr().err.startswith(f"{page}: the views were not drawn within 0 seconds")


def test_a_page_or_a_folder_that_cannot_be_had_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.html"
    assert main([str(page)]) == 2
    page.touch()
    assert main([str(page), str(page)]) == 2
    assert capsys.readouterr().err == f"{page}: there is no such page\n{page}: File exists\n"


def test_a_package_with_another_digest_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_METRICS_CACHE", str(tmp_path))

    def forged(folder: Path, environ: object) -> Path:
        (folder / "x.tgz").write_bytes(b"forged")
        return folder / "x.tgz"

    with pytest.raises(RetryLater, match="came with the digest") as caught:
        chromium.fetched({}, forged)
    assert "Install Chromium" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_where_none_is_installed_and_none_can_be_fetched_the_cure_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_METRICS_CACHE", str(tmp_path))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="Install Chromium or Chrome"):
        chromium.find({"PATH": ""})
