"""The tree of errors: each is drawn where its reader looks first, and caught by what its receiver does."""

from __future__ import annotations

import errno
import re

import pytest

from anthropic_metrics import errors
from anthropic_metrics.errors import (
    AnswerTooLarge,
    AuthError,
    BadRequest,
    BrokenContract,
    ConfigError,
    MetricsError,
    NoData,
    RetryLater,
    SinkError,
    Stopped,
    WrongOrganization,
    of_system,
)


def drawn(parent: type[MetricsError], indent: str = "") -> list[str]:
    """The classes below `parent` as the picture has them."""
    lines = []
    for child in sorted(parent.__subclasses__(), key=lambda child: _place(child.__name__)):
        last = child is max(parent.__subclasses__(), key=lambda child: _place(child.__name__))
        lines += [f"{indent}{'└' if last else '├'}── {child.__name__}"]
        lines += drawn(child, indent + ("    " if last else "│   "))
    return lines


def _place(name: str) -> int:
    assert errors.__doc__ is not None
    return errors.__doc__.index(f"── {name} ")


def test_every_error_stands_in_the_picture_where_it_belongs() -> None:
    assert errors.__doc__ is not None
    picture = re.findall(r"^[│ ]*[├└]── \w+", errors.__doc__, re.MULTILINE)
    assert picture == drawn(MetricsError)


@pytest.mark.parametrize(
    ("group", "members"),
    [
        (ConfigError, {ConfigError}),
        (AuthError, {AuthError}),
        (BadRequest, {BadRequest, NoData}),
        (RetryLater, {RetryLater}),
        (WrongOrganization, {WrongOrganization}),
        (BrokenContract, {BrokenContract, AnswerTooLarge}),
        (SinkError, {SinkError}),
        (Stopped, {Stopped}),
    ],
)
def test_an_error_belongs_to_one_way_of_recovery(
    group: type[MetricsError], members: set[type[MetricsError]]
) -> None:
    known = {value for value in vars(errors).values() if isinstance(value, type)} - {MetricsError}
    assert {error for error in known if issubclass(error, group)} == members


def test_every_error_is_one_sentence_with_its_cure() -> None:
    assert str(AuthError("The key was refused", cure="Set another.")) == "The key was refused. Set another."


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.EADDRINUSE, 1), (errno.ENOSPC, 1), (errno.EACCES, 2), (errno.ENOENT, 2), (None, 2)],
)
def test_what_the_system_refuses_is_a_configuration_problem_only_if_it_cannot_pass(
    number: int | None, code: int
) -> None:
    refused = of_system(OSError(number, "no"), RetryLater("It is refused.", cure="Choose another."))
    assert (refused.exit_code, str(refused)) == (code, "It is refused. Choose another.")
