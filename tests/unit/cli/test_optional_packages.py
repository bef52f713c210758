"""A package that is not installed is named at once, with a cure that works in any folder."""

from __future__ import annotations

import re
import sys
from importlib.metadata import requires
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anthropic_metrics.cli import app
from anthropic_metrics.embedded.artifacts import EXTRA, require_extra
from anthropic_metrics.errors import ConfigError

SOURCES = Path(__file__).parents[3] / "src"


def test_a_workbook_without_its_package_is_refused_before_the_api_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "xlsxwriter", None)
    monkeypatch.setenv("ANTHROPIC_ADMIN_API_KEY", "sk-ant-admin01-not-used-here")
    monkeypatch.setenv("ANTHROPIC_METRICS_ANTHROPIC__BASE_URL", "http://127.0.0.1:9")

    refused = CliRunner().invoke(app, ["report", "-o", str(tmp_path / "october.xlsx")]).exception

    assert isinstance(refused, ConfigError)
    assert str(refused) == "--format xlsx: XlsxWriter is not installed. Run `pip install XlsxWriter`."


def test_the_embedded_server_names_the_packages_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jpype", None)
    monkeypatch.setitem(sys.modules, "jgo", None)

    with pytest.raises(ConfigError, match=r"Run `pip install jgo jpype1`\.$"):
        require_extra()


def test_the_packages_of_the_embedded_server_are_those_of_the_extra() -> None:
    extra = [each for each in requires("anthropic-metrics") or [] if "extra == 'demo'" in each]
    assert sorted(EXTRA.values()) == sorted(re.split(r"[<>=;]", each)[0] for each in extra)


def test_no_message_names_an_extra_of_the_folder_that_the_user_is_in() -> None:
    assert not [path.name for path in SOURCES.rglob("*.py") if "'.[" in path.read_text("utf-8")]
