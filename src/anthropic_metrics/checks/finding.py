"""One line of `check`: what was looked at, how it is, and how to mend it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from anthropic_metrics.config import Config
from anthropic_metrics.errors import MetricsError


class Status(StrEnum):
    """How a check ended. Only `failed` makes the command end with 1."""

    ok = "ok"
    warning = "warning"
    failed = "failed"
    skipped = "skipped"


@dataclass(frozen=True)
class Finding:
    """One line of the table; `cure` says how to mend a failure or what a warning advises.

    `organization` is the one that it is about, of several; empty where it is about all.
    """

    what: str
    status: Status
    details: str = ""
    cure: str = ""
    organization: str = ""

    @property
    def whose(self) -> str:
        """What a sentence about it begins with: the organization, of several."""
        return f"{self.organization}: " if self.organization else ""


def about(config: Config, findings: Iterable[Finding]) -> Iterator[Finding]:
    """Findings about the organization of a configuration."""
    yield from (replace(finding, organization=config.label) for finding in findings)


def attempt(what: str, look: Callable[[], str]) -> Finding:
    """A finding that is ok with what `look` says, or failed with what it raises."""
    try:
        return Finding(what, Status.ok, look())
    except MetricsError as error:
        return Finding(what, Status.failed, error.message, error.cure)


def cured(finding: Finding) -> Finding:
    """The finding; a failure that came without a cure gets the one that always holds."""
    if finding.status is not Status.failed or finding.cure:
        return finding
    return replace(finding, cure="The details are the server's own message; fix what it names.")
