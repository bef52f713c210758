"""Structured logs with ECS field names, from which every known secret is removed.

An event is a fixed snake_case name with its context as fields:
`get_logger(__name__).info("window_done", stream="...", created=3)`. Records of other libraries that use the
standard `logging` come out the same way. Redaction is the last step before rendering: by then every value is
text, a number or a container of these, tracebacks included.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import partial
from types import TracebackType
from typing import Any, Literal, TextIO, cast

import structlog

from anthropic_metrics.deferred import Deferred
from anthropic_metrics.kernel.ranges import iso
from anthropic_metrics.links import see
from anthropic_metrics.redaction import printable, redact
from anthropic_metrics.versions import ECS_VERSION

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["json", "console"]
Event = MutableMapping[str, Any]

_SERVICE = "anthropic-metrics"
# Libraries whose failures we report ourselves, once and in our own words; at debug level theirs help.
_QUIET = {
    "apscheduler": logging.WARNING,
    "apscheduler.scheduler": logging.ERROR,  # its warning about a skipped turn
    "elastic_transport": logging.ERROR,
    "elasticsearch": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpx": logging.WARNING,
}
# Names that are objects in ECS: a context field of the same name would not fit the mapping of a logs index.
_ECS_OBJECTS = frozenset(
    {"agent", "client", "container", "event", "file", "host", "http", "labels", "log", "network"}
    | {"organization", "process", "rule", "server", "service", "source", "url", "user"}
)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    return structlog.stdlib.get_logger(name)


def about(organization: str) -> AbstractContextManager[None]:
    """Within it, every line that this thread logs names the organization; nothing for an empty name."""
    if not organization:
        return nullcontext()
    return structlog.contextvars.bound_contextvars(**{"organization.name": organization})


def configure(
    level: Level = "info",
    format: Format | None = None,
    stream: TextIO | None = None,
    *,
    deferred: bool = False,
) -> None:
    """Send all logs to `stream` (default: standard error); may be called again.

    Without a `format`, a terminal gets lines for people and anything else gets one JSON object per line.
    `deferred`: warnings wait until the process ends or an error is logged, and `deferred.discard` drops them.
    """
    stream = stream or sys.stderr
    chosen = format or ("console" if stream.isatty() else "json")
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared[:3],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = _Handler(stream)
    steps: list[structlog.typing.Processor] = [
        partial(_stamped, chosen),
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    ]
    steps += _rendering(chosen, stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=steps))
    root = logging.getLogger()
    for old in [handler for handler in root.handlers if isinstance(handler, _Handler | Deferred)]:
        root.removeHandler(old)
    root.addHandler(Deferred(handler) if deferred else handler)
    _set_levels(root, level)
    logging.captureWarnings(capture=True)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that `configure` can tell it from a handler that somebody else has put there."""

    def handleError(self, record: logging.LogRecord) -> None:
        # The default prints the record's arguments, unredacted.
        with suppress(OSError, ValueError):
            self.stream.write(f"a log record of {record.name} could not be written\n")


def _set_levels(root: logging.Logger, level: Level) -> None:
    root.setLevel(level.upper())
    for name, quiet in _QUIET.items():
        # Never their debug level: it shows whole requests.
        logging.getLogger(name).setLevel(logging.INFO if level == "debug" else max(quiet, root.level))


def _rendering(format: Format, stream: TextIO) -> list[structlog.typing.Processor]:
    if format == "json":
        return [_with_exception, _plain, _ecs, structlog.processors.JSONRenderer()]
    console = structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
    )
    return [_with_traceback, _plain, _printable, console]


def _stamped(format: Format, _logger: object, _method: str, event: Event) -> Event:
    """When it happened, which for a warning that was deferred is not when it is written."""
    at = datetime.fromtimestamp(event["_record"].created, UTC)
    event["timestamp"] = iso(at) if format == "json" else f"{at.astimezone():%H:%M:%S}"
    return event


def _with_traceback(_logger: object, _method: str, event: Event) -> Event:
    return structlog.processors.format_exc_info(cast("Any", _logger), _method, event)


def _with_exception(logger: object, method: str, event: Event) -> Event:
    """The exception's type, message and traceback as the fields ECS has for them."""
    error = _exception(event.get("exc_info"))
    event = _with_traceback(logger, method, event)
    if error is not None:
        event["error.type"] = type(error).__name__
        event["error.message"] = str(error)
        event["error.stack_trace"] = event.pop("exception", "")
    return event


def _exception(info: object) -> BaseException | None:
    if isinstance(info, BaseException):
        return info
    if isinstance(info, tuple):
        return cast("BaseException | None", info[1])
    return sys.exc_info()[1] if info else None


def _plain(_logger: object, _method: str, event: Event) -> Event:
    return {name: _made_plain(value) for name, value in event.items()}


def _made_plain(value: object) -> object:
    """`value` as text, number or containers of these, with no secret in it."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return redact.scrub(str(value))
        case datetime():
            return iso(value, "auto")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Enum():
            return _made_plain(value.value)
        case Mapping():
            return {redact.scrub(str(name)): _made_plain(item) for name, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_made_plain(item) for item in value]
    return redact.scrub(str(value))


def _printable(_logger: object, _method: str, event: Event) -> Event:
    """Texts that cannot steer a terminal; a traceback keeps its lines."""
    return {
        name: "\n".join(map(printable, str(value).split("\n"))) if name == "exception" else _spelled(value)
        for name, value in event.items()
    }


def _spelled(value: object) -> object:
    match value:
        case str():
            return printable(value)
        case Mapping():
            return {printable(str(name)): _spelled(item) for name, item in value.items()}
        case list():
            return [_spelled(item) for item in value]
    return value


def _ecs(_logger: object, _method: str, event: Event) -> Event:
    """The event under ECS names; context that would collide with an ECS object goes to `labels`."""
    named: Event = {
        "@timestamp": event.pop("timestamp"),
        "log.level": event.pop("level", "info"),
        "message": event.pop("event", ""),
        "ecs.version": ECS_VERSION,
        "service.name": _SERVICE,
        "log.logger": event.pop("logger", ""),
    }
    if "error" in event:
        named["error.message"] = event.pop("error")
    for name, value in event.items():
        named[f"labels.{name}" if name in _ECS_OBJECTS else name] = value
    return named


def catch_uncaught() -> None:
    """Log what nobody caught, in any thread, through the same redaction, in place of a bare traceback."""
    logger = get_logger(__name__)

    def main(kind: type[BaseException], error: BaseException, _trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            return
        logger.critical("uncaught_exception", exc_info=error)

    def thread(arguments: threading.ExceptHookArgs) -> None:
        logger.critical("uncaught_exception", thread=str(arguments.thread), exc_info=arguments.exc_value)

    sys.excepthook = main
    threading.excepthook = thread


@dataclass(frozen=True)
class Failure:
    """Something that is failing now."""

    since: datetime
    reason: str
    times: int


class Flip:
    """Logs a failure once when it starts and once when it ends, by name; keeps the state. Thread-safe.

    In between, each repetition is a debug line only; without `tells`, all are: who asks shows the failure.
    """

    def __init__(
        self,
        logger: structlog.stdlib.BoundLogger,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        tells: bool = True,
    ) -> None:
        self._logger = logger
        self._level = logging.ERROR if tells else logging.DEBUG
        self._clock = clock
        self._lock = threading.Lock()
        self._failures: dict[str, Failure] = {}

    @property
    def failing(self) -> dict[str, Failure]:
        """A copy of what is failing now."""
        with self._lock:
            return dict(self._failures)

    def failed(
        self, name: str, reason: str, *, error: BaseException | None = None, is_news: bool = False
    ) -> bool:
        """`name` does not work; True if it did until now. `error` adds its traceback to the first line.
        `is_news`: for a reason that somebody has to be told although it has failed before."""
        reason = redact.scrub(reason)
        with self._lock:
            before = self._failures.get(name)
            since, times = (before.since, before.times) if before else (self._clock(), 0)
            self._failures[name] = Failure(since, reason, times + 1)
        if before is None or is_news:
            told = {"name": name, "reason": reason} | ({"see": address} if (address := see(reason)) else {})
            self._logger.log(self._level, "failure_began", **told, exc_info=error)
        else:
            self._logger.debug("failure_goes_on", name=name, reason=reason, times=times + 1)
        return before is None

    def ok(self, name: str) -> bool:
        """`name` works; True if it failed until now."""
        with self._lock:
            before = self._failures.pop(name, None)
        if before is not None:
            lasted = (self._clock() - before.since).total_seconds()
            self._logger.info("failure_ended", name=name, seconds=lasted, times=before.times)
        return before is not None
