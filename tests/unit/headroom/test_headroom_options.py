"""A wrong option of `headroom` is one readable message, before anything is asked of a server."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from anthropic_metrics.cli import app
from anthropic_metrics.errors import ConfigError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limit", "requests_per_minute=5", "--model", "m"], "limits are input_tokens_per_minute"),
        (["--limit", "output_tokens_per_minute", "--model", "m"], "is not <limit>=<tokens>"),
        (["--limit", "output_tokens_per_minute=0", "--model", "m"], "is not <limit>=<tokens>"),
        (["--limit", "output_tokens_per_minute=5"], "--limit and --model go together"),
        (["--model", "m"], "--limit and --model go together"),
        (["--since", "yesteday"], "--since: 'yesteday' is not a date"),
        (["--since", "2099-01-01"], "--since: 2099-01-01 is not in the past"),
    ],
)
def test_a_wrong_option_says_what_is_allowed(
    arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:1")
    result = CliRunner().invoke(app, ["headroom", *arguments])
    assert isinstance(result.exception, ConfigError)
    assert message in str(result.exception)
