"""The agent: connects both sides and runs jobs; `agent.journal` reports what each of them did."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Self

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.agent.first_setup import FirstSetup
from anthropic_metrics.agent.journal import Journal
from anthropic_metrics.agent.organization import Organization, inventory_of
from anthropic_metrics.agent.record import Attempt
from anthropic_metrics.agent.runtime import AllHealth, Runtime
from anthropic_metrics.alerts.watch import Watch
from anthropic_metrics.budgets.ledger import collects_spend
from anthropic_metrics.budgets.poller import JOB as BUDGETS_JOB
from anthropic_metrics.config import Config
from anthropic_metrics.digest.send import DigestSender
from anthropic_metrics.elastic.memory import StreamMemory
from anthropic_metrics.errors import AuthError, MetricsError, Stopped, WrongOrganization
from anthropic_metrics.figures.poller import FigurePoller
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.logs import about, get_logger

log = get_logger(__name__)


def utc_now() -> datetime:
    """The wall clock, aware."""
    return datetime.now(UTC)


class Agent:
    """Everything a command needs to poll and write. Close it, or use it as a context manager.

    `clock` is the only source of time for what documents say. `monotonic` measures intervals, the age of the
    data and the patience that the Admin API asked for, whatever happens to the clock; tests hand in simulated
    ones. `tells`: failures are logged when they begin; a command that shows them itself does without.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Callable[[], datetime] = utc_now,
        stop: threading.Event | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        tells: bool = True,
    ) -> None:
        config.require_admin_key()
        config.require_elasticsearch()
        self.config = config
        self.clock = clock
        self.monotonic = monotonic
        self._asks_again = tells
        self.stop = stop or threading.Event()
        self.runtime = Runtime(config, clock=clock, monotonic=monotonic, stop=self.stop, tells=tells)
        self.journal = Journal(self.runtime, config.namespace)
        self.organizations = [self._organization(one) for one in config.per_organization()]
        self._by_label = {organization.label: organization for organization in self.organizations}
        self.sink = self.runtime.sink(self.journal.record_corrections)
        polled = [job for one in self.organizations for job in one.scheduled(self.sink)]
        jobs = [*polled, *self._watch(polled)]
        for one in self.organizations:
            jobs += [*self._digest(one), *self._figures(one, polled)]
        self.runtime.schedule(jobs, {one.label: one.client for one in self.organizations})
        self._set_up = FirstSetup(self.runtime.elasticsearch, config)

    @property
    def jobs(self) -> list[Job]:
        """What the daemon runs."""
        return self.runtime.jobs

    @property
    def organization(self) -> Organization:
        """The organization, of several the first."""
        return self.organizations[0]

    def set_up(self) -> None:
        """Templates and pipelines stand afterwards; raises what `elastic.setup.ensure` raises."""
        self._set_up()

    def silence_of(self, label: str) -> Callable[[], float]:
        """What tells how many seconds the organization's Admin API has owed an answer."""
        return self._by_label[label].client.waiting.seconds

    @property
    def health(self) -> AllHealth:
        """How the jobs do."""
        return AllHealth(self.runtime.health)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the connections."""
        for organization in self.organizations:
            organization.client.close()
        self.runtime.close()

    def _organization(self, config: Config) -> Organization:
        """One organization with its connection and what the streams remember of it."""
        label, metrics = config.label, self.runtime.metrics[config.label]
        client = AdminClient(
            config.anthropic,
            stop=self.stop,
            clock=self.clock,
            monotonic=self.monotonic,
            on_request=partial(self.journal.on_request, metrics),
            on_retry=partial(self.journal.on_retry, metrics),
            retry=RetryPolicy(asks_again=self._asks_again),
        )
        if client.auth.kind == "ordinary":
            log.warning("ordinary_api_key", hint="the Admin API usually needs one of sk-ant-admin...")
        memory = StreamMemory.of(self.runtime.elasticsearch, config.namespace, client.key_digest)
        inventory = inventory_of(config, client, memory=memory, claim=partial(self.runtime.claim, label))
        return Organization(config, client, inventory, clock=self.clock)

    def _watch(self, polled: Sequence[Job]) -> list[Job]:
        """The evaluation of the alert rules, where the agent is to do it."""
        if not self.config.alerts.evaluate:
            return []
        watch = Watch(
            self.config,
            self.runtime.elasticsearch,
            clock=self.clock,
            stop=self.stop,
            is_settled=lambda: all(map(self.runtime.had_turn, polled)),
            owner=" ".join(sorted(one.client.key_digest for one in self.organizations)),
        )
        return [Job("alerts", "alerts", watch.stream, watch.interval, watch.evaluate)]

    def _digest(self, organization: Organization) -> list[Job]:
        """The organization's digest, where it is asked for and there is spend to read."""
        config = organization.config
        if config.digest == "off" or not collects_spend(config):
            return []
        client, inventory = organization.client, organization.inventory
        sender = DigestSender(config, client, inventory, clock=self.clock, stop=self.stop)
        return organization.labelled([sender.job(self.sink)])

    def _figures(self, organization: Organization, polled: Sequence[Job]) -> list[Job]:
        """The organization's figures for the metrics page, where they are asked for."""
        if not self.config.health.figures:
            return []
        poller = FigurePoller(
            organization.config,
            organization.inventory.names,
            organization.budgets,
            self.runtime.metrics[organization.label].figures,
            clock=self.clock,
        )
        counts = any((job.name, job.organization) == (BUDGETS_JOB, organization.label) for job in polled)
        return organization.labelled([poller.job(self.sink, after=BUDGETS_JOB if counts else None)])

    def attempt(self, job: Job, tally: Tally | None = None) -> Tally:
        """Run a job, whatever happens in it, and report it: log, health, metrics, agent stream.

        Raises only Stopped. Everything else ends as `tally.failures`. Every line of the log that the job
        brings about names the organization, where there are several.
        """
        with about(job.organization):
            return self._attempt(job, tally or Tally(job.poller, job.stream))

    def _attempt(self, job: Job, tally: Tally) -> Tally:
        began, started = self.clock(), time.monotonic()
        self.journal.begin(job)
        window, refused = None, False
        try:
            self._set_up()
            window = job.run(tally)
        except Stopped:
            raise
        except MetricsError as error:
            tally.fail(error)
            refused = isinstance(error, AuthError | WrongOrganization)
        except Exception:
            log.exception("poll_crashed", job=job.name)
            tally.failures.append("An unexpected error; its traceback is in the log.")
        if tally.missing:
            tally.failures.append(f"{tally.missing} documents did not arrive.")
        if tally.bad_rows:
            tally.failures.append(str(tally.answers))
        attempt = Attempt(
            job=job,
            tally=tally,
            window=window or Range(began, began),
            began=began,
            seconds=time.monotonic() - started,
            requests=self.journal.count.requests,
            retries=self.journal.count.retries,
            refused=refused,
        )
        self.journal.report(attempt, self._by_label.get(job.organization), has_stream=self._set_up.is_done)
        return tally
