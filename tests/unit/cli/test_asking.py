"""What a command says while it waits for the Admin API."""

from __future__ import annotations

import pytest

from anthropic_metrics.cli.asking import say_wait


@pytest.mark.parametrize(
    ("status", "seconds", "said"),
    [
        ("429", 20.0, "Waiting 20 s: the Admin API answered 429.\n"),
        ("529", 31.6, "Waiting 32 s: the Admin API answered 529.\n"),
        ("error", 4.0, "Waiting 4 s: the Admin API does not answer.\n"),
        ("200", 4.0, "Waiting 4 s: the Admin API's answer is not JSON.\n"),
        ("429", 0.5, ""),
    ],
)
def test_a_long_wait_of_a_command_says_how_long_and_why(
    status: str, seconds: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    say_wait(status, "its reason", seconds)
    assert capsys.readouterr().err == said
