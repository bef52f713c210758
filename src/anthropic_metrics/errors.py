"""Every error the agent raises, grouped by what its receiver should do.

MetricsError
├── ConfigError       fix the configuration; the command ends with exit code 2
├── AuthError         a server refused the key or its rights: not ready at once, ask again at the next poll
├── BadRequest        a server refused the query itself: this poll failed, the others go on, ask at the next
│   └── NoData        the query names a stream or field that was never written: there is nothing to judge yet
├── RetryLater        a server is away or overloaded: keep what was planned and try again at the next poll
├── WrongOrganization the key belongs to another organization than before: read and write nothing, ask again
├── BrokenContract    an answer contradicts itself: leave its window alone and say so
│   └── AnswerTooLarge it is longer than allowed: ask for less at once, or raise the limit
├── SinkError         Elasticsearch did not accept a write: the window is not done
└── Stopped           the agent is shutting down

A single bad row is no exception: it is counted and named (`kernel.problems.Problems`), its page lives on.
"""

from __future__ import annotations

import errno

from anthropic_metrics.redaction import redact

# What the system refuses now and may grant later.
_PASSING = frozenset(
    {errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EAGAIN, errno.EBUSY, errno.EDQUOT, errno.EIO}
    | {errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC}
)


class MetricsError(Exception):
    """Base of all. `message` is one readable sentence; `cure` says what the reader can do about it.

    Secrets are taken out of both here, whatever a server has put into its answer: an error is shown on
    terminals and pages, and written to logs and documents. `exit_code` is that of a command that it ends.
    """

    exit_code = 1

    def __init__(self, message: str, *, cure: str = "") -> None:
        self.message = redact.scrub(message)
        self.cure = redact.scrub(cure)
        super().__init__(self.message)

    def __str__(self) -> str:
        if not self.cure:
            return self.message
        stop = "" if self.message.endswith((".", "!", "?")) else "."
        return f"{self.message}{stop} {self.cure}"


class ConfigError(MetricsError):
    """The configuration or the command line is wrong; names the file, the key and what is allowed."""

    exit_code = 2


class AuthError(MetricsError):
    """A server answered 401 or 403; `status` tells a key that is not taken from one that may not do this."""

    def __init__(self, message: str, *, status: int = 401, cure: str = "") -> None:
        super().__init__(message, cure=cure)
        self.status = status


class BadRequest(MetricsError):
    """A server answered 400, 404 or 422; carries the server's own words."""

    def __init__(self, message: str, *, status: int = 400, cure: str = "") -> None:
        super().__init__(message, cure=cure)
        self.status = status


class NoData(BadRequest):
    """A query names a stream that was never written, or a field that none of its documents has."""


class RetryLater(MetricsError):
    """What may pass without a change of the configuration: 429, 5xx, a transport error or a truncated body,
    after this call's own retries; a taken port, a full disk."""


def of_system(error: OSError, raised: RetryLater) -> MetricsError:
    """What to raise where the system refuses something that the configuration names.

    It may pass if the place is full or in use; if it is forbidden or does not exist, that is a ConfigError.
    """
    return raised if error.errno in _PASSING else ConfigError(raised.message, cure=raised.cure)


def not_written(what: str, error: OSError) -> MetricsError:
    """`of_system` for a file or folder that somebody named to write to."""
    return of_system(error, RetryLater(f"{what} cannot be written: {error.strerror or error}"))


class WrongOrganization(MetricsError):
    """The Admin API names another organization than the streams or the configuration have for this key."""


class BrokenContract(MetricsError):
    """Paging that cannot end, buckets outside the asked range or out of order, a body of another shape."""


class AnswerTooLarge(BrokenContract):
    """An answer, or all pages of a list together, has more bytes than the configuration allows."""


class SinkError(MetricsError):
    """Elasticsearch refused, diverted or did not acknowledge documents."""


class Stopped(MetricsError):
    """Raised out of a wait when the agent is asked to stop."""

    def __init__(self) -> None:
        super().__init__("The agent is stopping.")
