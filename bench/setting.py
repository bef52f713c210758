"""What the measurements share: canned servers, an agent that talks to them, and a row of the result."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr

from anthropic_metrics import logs
from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import AnthropicSettings, Backfill, Config, ElasticsearchSettings
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.reports.poller import ViewPoller

NOW = datetime(2026, 11, 20, 15, 42, 10, tzinfo=UTC)
DAYS = 30
BUCKETS = DAYS * 24 + 16  # the default backfill by the hour: whole days, and today so far
USAGE = "anthropic_metrics.usage"
UNPACED = 60_000  # requests a minute: the real limit would hide what the agent costs


@dataclass(frozen=True)
class Figure:
    """One line of the result. `holds` is None where there is no aim."""

    what: str
    agent: str
    beside: str
    verdict: str
    holds: bool | None = None


def canned(kind: str, rows: int = 0) -> AbstractContextManager[str]:
    """The URL of a canned server in a process of its own."""
    return server_process("bench.canned", kind, rows)


@contextmanager
def server_process(module: str, *arguments: str | int) -> Iterator[str]:
    """The URL that a module prints when it serves; it ends with its standard input."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.communicate("")


def configuration(
    api: str,
    elasticsearch: str,
    namespace: str = "bench",
    key: str = "sk-ant-admin-bench",
    days: int = DAYS,
) -> Config:
    """The defaults, against these two servers."""
    return Config(
        anthropic=AnthropicSettings(base_url=api, admin_key=SecretStr(key), requests_per_minute=UNPACED),
        elasticsearch=ElasticsearchSettings(hosts=(elasticsearch,)),
        namespace=namespace,
        backfill=Backfill(timedelta(days=days)),
    )


@contextmanager
def agent_at(api: str, elasticsearch: str, namespace: str = "bench", days: int = DAYS) -> Iterator[Agent]:
    """An agent of the daemon's own making whose clock stands still."""
    logs.configure("warning")
    with Agent(configuration(api, elasticsearch, namespace, days=days), clock=lambda: NOW) as agent:
        yield agent


def hourly(agent: Agent) -> ViewPoller:
    """The poller of usage by the hour."""
    return next(poller for poller in view_pollers(agent) if poller.view.dataset == USAGE)


def view_pollers(agent: Agent) -> list[ViewPoller]:
    """The pollers of the reports by buckets."""
    return [poller for poller in agent.organization.pollers if isinstance(poller, ViewPoller)]


def backfill(agent: Agent) -> Job:
    """The job that `once` runs for usage by the hour."""
    return next(job for job in agent.organization.whole(agent.sink) if job.name == USAGE)
