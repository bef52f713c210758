"""Exit code 1 is an answer of some commands: what cannot be told ends them with another one."""

from __future__ import annotations

import sys
from typing import NoReturn

import pytest

from anthropic_metrics import cli
from anthropic_metrics.audit.everything import Report
from anthropic_metrics.cli.audited import audit_answer
from anthropic_metrics.cli.organizations import together
from anthropic_metrics.cli.render import Answer
from anthropic_metrics.errors import AuthError, ConfigError, MetricsError, RetryLater

AWAY = RetryLater("Elasticsearch answered 503: all shards failed")


def ended(command: str, error: MetricsError, monkeypatch: pytest.MonkeyPatch) -> object:
    """The exit code of a command that fails so at its first step."""
    module = "budgets" if command == "budgets" else "trust"

    def refuse(*_: object, **__: object) -> NoReturn:
        raise error

    monkeypatch.setattr(f"anthropic_metrics.cli.{module}.load", refuse)
    monkeypatch.setattr(sys, "argv", ["anthropic-metrics", command])
    with pytest.raises(SystemExit) as ending:
        cli.main()
    return ending.value.code


@pytest.mark.parametrize("command", ["budgets", "audit"])
@pytest.mark.parametrize(
    ("error", "code"),
    [(AWAY, 3), (AuthError("The key was refused."), 3), (ConfigError("--organization: none"), 2)],
)
def test_a_server_that_does_not_answer_is_neither_exceeded_nor_different(
    command: str, error: MetricsError, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ended(command, error, monkeypatch) == code


def test_a_command_that_gives_no_verdict_fails_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ended("corrections", RetryLater("busy"), monkeypatch) == 1


def test_an_audit_that_compared_nothing_cannot_tell() -> None:
    answer = audit_answer(Report([], {}, {}))
    assert (answer.code, answer.problems) == (3, ("Nothing was compared.",))


@pytest.mark.parametrize(
    ("codes", "code"), [((0, 0), 0), ((0, 3), 3), ((3, 1), 1), ((1, 2), 1), ((0, 1, 3), 1)]
)
def test_of_several_organizations_a_known_failure_counts_more_than_an_unknown_one(
    codes: tuple[int, ...], code: int
) -> None:
    answers = {f"organization {number}": Answer(code=each) for number, each in enumerate(codes)}
    assert together(answers).code == code
