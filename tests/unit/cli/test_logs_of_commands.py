"""A command that answers with a table logs nothing that only informs; one that polls does."""

from __future__ import annotations

from pathlib import Path

import pytest

from anthropic_metrics.cli.common import load
from anthropic_metrics.logs import get_logger


@pytest.mark.parametrize(
    ("polls", "level", "logged"),
    [(False, "info", False), (True, "info", True), (False, "debug", True), (False, "warning", False)],
)
def test_what_only_informs_is_logged_by_commands_that_poll_or_at_debug(
    polls: bool, level: str, logged: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(f"log: {{level: {level}, format: json}}", encoding="utf-8")
    load(path, polls=polls)
    get_logger("x").info("analytics_not_here")
    get_logger("x").warning("rows_refused")
    shown = capsys.readouterr().err
    assert ("analytics_not_here" in shown) is logged
    assert "rows_refused" in shown
