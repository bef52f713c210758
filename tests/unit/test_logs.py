"""Logs: ECS names, one line per event, and never a secret."""

from __future__ import annotations

import io
import json
import logging
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import time_machine
from pydantic import SecretStr

from anthropic_metrics import logs
from anthropic_metrics.redaction import Redaction, redact
from anthropic_metrics.versions import ECS_VERSION

SECRET = 'p"w\\d/ö+secret value'
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, excepthook, thread_hook = root.level, sys.excepthook, threading.excepthook
    yield
    root.setLevel(level)
    sys.excepthook, threading.excepthook = excepthook, thread_hook
    logging.captureWarnings(capture=False)


@pytest.fixture
def lines(stream: io.StringIO) -> Lines:
    logs.configure("info", "json", stream)
    return lambda: [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_deferred_warning_has_the_time_at_which_it_happened(stream: io.StringIO, form: logs.Format) -> None:
    logs.configure("info", form, stream, deferred=True)
    log = logs.get_logger(__name__)
    with time_machine.travel(datetime(2026, 3, 10, 1, 2, 3, tzinfo=UTC), tick=False) as now:
        log.warning("first")
        now.shift(20)
        log.error("second")
    stamps = re.findall(r"\d\d:(?:\d\d):(\d\d)", stream.getvalue())
    assert stamps == ["03", "23"]


def test_an_event_has_ecs_names_and_its_context_as_fields(lines: Lines) -> None:
    with time_machine.travel(datetime(2026, 3, 10, 1, 2, 3, 4567, tzinfo=UTC), tick=False):
        logs.get_logger("anthropic_metrics.agent").warning("window_left", stream="metrics-x", pages=3)
    assert lines() == [
        {
            "@timestamp": "2026-03-10T01:02:03.004Z",
            "log.level": "warning",
            "message": "window_left",
            "ecs.version": ECS_VERSION,
            "service.name": "anthropic-metrics",
            "log.logger": "anthropic_metrics.agent",
            "stream": "metrics-x",
            "pages": 3,
        }
    ]


def test_context_that_would_collide_with_an_ecs_object_moves_aside(lines: Lines) -> None:
    logs.get_logger("x").info("retried", server="admin_api", url="https://x", error="went away")
    (line,) = lines()
    assert line["labels.server"] == "admin_api"
    assert line["labels.url"] == "https://x"
    assert line["error.message"] == "went away"
    assert {"server", "url", "error"}.isdisjoint(line)


def test_values_of_every_kind_become_json(lines: Lines) -> None:
    class Colour(Enum):
        RED = "red"

    logs.get_logger("x").info(
        "kinds",
        when=datetime(2026, 1, 1, tzinfo=UTC),
        long=timedelta(minutes=1),
        amount=Decimal("1.10"),
        path=Path("a/b"),
        colour=Colour.RED,
        some={"a": (1, None, True)},
        key=SecretStr("abcdefgh"),
    )
    (line,) = lines()
    assert line["when"] == "2026-01-01T00:00:00Z"
    assert (line["long"], line["amount"], line["path"], line["colour"]) == (60.0, "1.10", "a/b", "red")
    assert (line["some"], line["key"]) == ({"a": [1, None, True]}, "**********")


def test_an_exception_has_type_message_and_traceback_of_its_own(lines: Lines) -> None:
    try:
        raise KeyError("lost")
    except KeyError:
        logs.get_logger("x").exception("poll_failed")
    (line,) = lines()
    assert (line["log.level"], line["error.type"], line["error.message"]) == ("error", "KeyError", "'lost'")
    assert "Traceback" in line["error.stack_trace"]
    assert "exception" not in line


def test_records_of_other_libraries_come_out_the_same_way(lines: Lines) -> None:
    logging.getLogger("somebody.else").warning("took %s", "long", extra={"attempt": 2})
    try:
        raise ValueError("bad")
    except ValueError:
        logging.getLogger("apscheduler.executors").exception("Job raised")
    took, raised = lines()
    assert (took["message"], took["log.logger"], took["attempt"]) == ("took long", "somebody.else", 2)
    assert (raised["message"], raised["error.type"]) == ("Job raised", "ValueError")


def test_python_warnings_are_logged_too(stream: io.StringIO) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure("info", "json", stream)
        warnings.warn("old ways", DeprecationWarning, stacklevel=1)
    line = json.loads(stream.getvalue())
    assert (line["log.level"], line["log.logger"]) == ("warning", "py.warnings")
    assert "DeprecationWarning: old ways" in line["message"]


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        ("debug", ["httpx info", "ours debug", "ours info", "elastic error"]),
        ("info", ["ours info", "elastic error"]),
        ("error", ["elastic error"]),
    ],
)
def test_a_level_lets_through_what_it_should(
    stream: io.StringIO, level: logs.Level, expected: list[str]
) -> None:
    logs.configure(level, "json", stream)
    logging.getLogger("httpcore.http11").debug("httpcore debug")
    logging.getLogger("httpx").info("httpx info")
    logs.get_logger("anthropic_metrics.x").debug("ours debug")
    logs.get_logger("anthropic_metrics.x").info("ours info")
    logging.getLogger("elastic_transport.transport").error("elastic error")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == expected


def test_configuring_again_replaces_the_first(stream: io.StringIO, lines: Lines) -> None:
    second = io.StringIO()
    logs.configure("info", "json", second)
    logs.get_logger("x").info("once")
    assert lines() == []
    assert len(second.getvalue().splitlines()) == 1


def test_a_terminal_gets_lines_for_people_and_a_pipe_gets_json() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    for stream, starts in ((Terminal(), "\x1b["), (io.StringIO(), "{")):
        logs.configure(stream=stream)
        logs.get_logger("x").info("window_done", created=3)
        assert stream.getvalue().startswith(starts)
        assert "window_done" in stream.getvalue()


class Unprintable:
    def __repr__(self) -> str:
        return f"Client(key={SECRET})"


def log_secret_everywhere() -> None:
    logger = logs.get_logger("x")
    logger.info(
        f"sent_{SECRET}",
        url=f"https://h/?k={quote(SECRET, safe='')}",
        nested={SECRET: [SECRET, Unprintable()]},
    )
    logger.info("header", value=b"Basic " + b"YWdlbnQ6" + SECRET.encode())
    try:
        raise ValueError(f"refused {SECRET!r}") from RuntimeError(json.dumps({"key": SECRET}))
    except ValueError:
        logger.exception("poll_failed")
        logging.getLogger("other").exception(
            "failed with %s", SECRET, extra={"headers": {"x-api-key": SECRET}}
        )
    logging.getLogger("other").error("%r", SECRET)
    logger.info("seen", body="key sk-ant-admin01-NeverRegistered_1-x was refused")


@pytest.mark.parametrize("format", ["json", "console"])
def test_no_secret_is_in_any_line(stream: io.StringIO, format: logs.Format) -> None:
    logs.configure("debug", format, stream)
    redact.add(SECRET, username="agent")
    log_secret_everywhere()
    found = stream.getvalue()
    assert "secret value" not in found
    assert "secret%20value" not in found
    assert "NeverRegistered" not in found
    assert found.count(redact.MARK) >= 10
    if format == "json":
        assert [json.loads(line)["@timestamp"] for line in found.splitlines()]


def test_redaction_knows_how_secrets_are_written_elsewhere() -> None:
    redaction = Redaction()
    redaction.add("a b/c=é", username="agent")
    for written in (
        "a b/c=é",
        "a%20b%2Fc%3D%C3%A9",
        "a+b%2Fc%3D%C3%A9",
        "a b/c=\\u00e9",
        "YWdlbnQ6YSBiL2M9w6k=",
    ):
        assert redaction.scrub(f"<{written}>") == "<[redacted]>"


def test_the_longer_of_two_secrets_is_removed_whole() -> None:
    redaction = Redaction()
    redaction.add("abcd")
    redaction.add("abcdefgh")
    assert redaction.scrub("abcdefgh abcd") == "[redacted] [redacted]"


def test_a_secret_too_short_to_protect_anything_blanks_out_nothing() -> None:
    redaction = Redaction()
    redaction.add("es")
    redaction.add("")
    assert redaction.scrub("requests") == "requests"


def test_a_record_that_cannot_be_written_shows_no_arguments(stream: io.StringIO) -> None:
    logs.configure("info", "json", stream)
    record = logging.LogRecord("other", logging.ERROR, __file__, 1, "%d", (SECRET,), None)
    logging.getLogger().handlers[-1].handle(record)
    assert stream.getvalue() == "a log record of other could not be written\n"


def test_what_nobody_caught_is_logged_without_secrets(lines: Lines) -> None:
    redact.add(SECRET)
    logs.catch_uncaught()

    def fail() -> None:
        raise ValueError(SECRET)

    thread = threading.Thread(target=fail, name="poller")
    thread.start()
    thread.join()
    sys.excepthook(ValueError, ValueError(SECRET), None)
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    first, second = lines()
    for line in (first, second):
        assert (line["log.level"], line["message"]) == ("critical", "uncaught_exception")
        assert line["error.message"] == redact.MARK
    assert "poller" in first["thread"]


def test_a_failure_whose_message_has_a_cure_is_logged_with_the_address_of_its_help(lines: Lines) -> None:
    logs.Flip(logs.get_logger("x")).failed("usage", "Reading x: no answer in time. Raise the timeout.")
    (began,) = lines()
    assert began["see"].endswith("/docs/troubleshooting.md#no-answer-in-time")


def test_a_failure_is_logged_when_it_starts_and_when_it_ends_and_not_between(lines: Lines) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    flip = logs.Flip(logs.get_logger("x"), clock=lambda: now)
    assert not flip.ok("usage")
    assert flip.failed("usage", "503", error=RuntimeError("away"))
    assert not flip.failed("usage", "504")
    assert flip.failed("cost", "401")
    assert {name: (failure.reason, failure.times) for name, failure in flip.failing.items()} == {
        "usage": ("504", 2),
        "cost": ("401", 1),
    }
    now += timedelta(minutes=2)
    assert flip.ok("usage")
    assert not flip.ok("usage")
    assert list(flip.failing) == ["cost"]
    began, other, ended = lines()
    assert (began["message"], began["name"], began["reason"]) == ("failure_began", "usage", "503")
    assert (began["error.type"], other["name"]) == ("RuntimeError", "cost")
    assert (ended["message"], ended["name"], ended["seconds"], ended["times"]) == (
        "failure_ended",
        "usage",
        120.0,
        2,
    )
