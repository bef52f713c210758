"""The agent: connects both sides, runs jobs, and says what each of them did."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Self
from uuid import uuid4

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.agent.first_setup import FirstSetup
from anthropic_metrics.agent.measure import measure
from anthropic_metrics.agent.organization import Organization, inventory_of
from anthropic_metrics.agent.record import Attempt, RequestCount, poll_document
from anthropic_metrics.agent.runtime import AllHealth, Runtime
from anthropic_metrics.alerts.watch import Watch
from anthropic_metrics.budgets.ledger import collects_spend
from anthropic_metrics.budgets.poller import JOB as BUDGETS_JOB
from anthropic_metrics.config import Config
from anthropic_metrics.digest.send import DigestSender
from anthropic_metrics.documents.identity import Prepared, prepare
from anthropic_metrics.elastic.memory import StreamMemory
from anthropic_metrics.errors import AuthError, MetricsError, Stopped, WrongOrganization
from anthropic_metrics.figures.poller import FigurePoller
from anthropic_metrics.health import Metrics
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.digests import hex_digest
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.logs import Flip, about, get_logger

log = get_logger(__name__)

# Rows and fields that a line of the log names; the rest are counted.
_NAMED = 5


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
        self.stop = stop or threading.Event()
        self.runtime = Runtime(config, clock=clock, monotonic=monotonic, stop=self.stop, tells=tells)
        self._count = RequestCount()
        self.organizations = [self._organization(one) for one in config.per_organization()]
        self._by_label = {organization.label: organization for organization in self.organizations}
        self.sink = self.runtime.sink(self._record_corrections)
        polled = [job for one in self.organizations for job in one.scheduled(self.sink)]
        jobs = [*polled, *self._watch(polled)]
        for one in self.organizations:
            jobs += [*self._digest(one), *self._figures(one, polled)]
        self.runtime.schedule(jobs, {one.label: one.client for one in self.organizations})
        self._agent_stream = stream_name(AGENT, config.namespace)
        self._id = uuid4().hex
        self._set_up = FirstSetup(self.runtime.elasticsearch, config)
        self._flip = Flip(log)
        self._silencing: dict[tuple[str, str], set[str]] = {}
        self._unknown: set[tuple[str, str, str]] = set()

    @property
    def jobs(self) -> list[Job]:
        """What the daemon runs."""
        return self.runtime.jobs

    @property
    def organization(self) -> Organization:
        """The organization, of several the first."""
        return self.organizations[0]

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
            on_request=partial(self._on_request, metrics),
            on_retry=partial(self._on_retry, metrics),
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
        self._count.begin(job)
        self.runtime.health[job.organization].began(job.name)
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
            requests=self._count.requests,
            retries=self._count.retries,
            refused=refused,
        )
        self._report(attempt)
        return tally

    def _record_corrections(self, corrections: Sequence[Prepared]) -> None:
        """Try again while that brings more of them in; one that stays refused holds no number up."""
        open_, before = len(corrections), len(corrections) + 1
        while 0 < open_ < before:
            outcome = self.runtime.store.append(self._agent_stream, corrections)
            before, open_ = open_, outcome.refused + outcome.diverted
        if open_:
            log.error("corrections_not_recorded", count=open_, stream=self._agent_stream)
            whose, all_metrics = corrections[0].source.get("organization", {}), self.runtime.metrics
            metrics = all_metrics.get(whose.get("name"), all_metrics[""])
            metrics.documents.labels(self._agent_stream, "refused").inc(open_)

    def _report(self, attempt: Attempt) -> None:
        job, failure = attempt.job, attempt.failure
        level = logging.INFO if attempt.tally.changed or attempt.tally.in_pass else logging.DEBUG
        log.log(level, "poll_done", job=job.name, **attempt.facts(), **({"failed": True} if failure else {}))
        self._tell_answers(attempt)
        if failure:
            self.runtime.health[job.organization].failed(job.name, failure, paused=attempt.refused)
        else:
            self.runtime.health[job.organization].ok(job.name, **attempt.facts())
        measure(self.runtime.metrics[job.organization], attempt)
        self._append_poll(attempt)

    def _tell_answers(self, attempt: Attempt) -> None:
        """One line for all rows that were refused, and one when a field first comes that nobody knows."""
        answers, stream = attempt.tally.answers, attempt.job.stream
        key = attempt.job.organization, attempt.job.name
        if answers.total:
            rows = [f"{where}: {reason}" for where, reason in answers.bad_rows[:_NAMED]]
            log.warning("rows_refused", job=attempt.job.name, stream=stream, count=answers.total, first=rows)
        fresh = {(key[0], stream, name) for name in answers.unknown_fields} - self._unknown
        if fresh:
            self._unknown |= fresh
            log.warning("unknown_fields", stream=stream, fields=sorted(name for *_, name in fresh)[:_NAMED])
        for said in sorted(attempt.tally.silencing - self._silencing.get(key, set())):
            log.warning("alerts_silenced", job=attempt.job.name, reason=said)
        self._silencing[key] = attempt.tally.silencing

    def _append_poll(self, attempt: Attempt) -> None:
        """One agent document for the attempt. That it cannot be written must not fail the job itself.

        Before the templates stand it would make a stream that is mapped by guesses.
        """
        if not self._set_up.is_done:
            return
        job, organization = attempt.job, self._by_label.get(attempt.job.organization)
        shown, digest = (organization.shown, organization.client.key_digest) if organization else (None, None)
        document = poll_document(attempt, self.config.namespace, shown, digest)
        key = " ".join(filter(None, (self._id, job.organization, job.name, attempt.began.isoformat())))
        try:
            self.runtime.store.append(self._agent_stream, [prepare(hex_digest(key), document)], new=True)
        except Stopped:
            raise
        except MetricsError as error:
            if not attempt.failure:  # else its cause has been told already
                self._flip.failed("agent stream", str(error))
        else:
            self._flip.ok("agent stream")

    def _on_request(self, metrics: Metrics, status: str) -> None:
        self._count.requests += 1
        metrics.requests.labels("admin_api", status).inc()
        if self._count.retrying and status == "200":
            self._tell_retrying("")

    def _on_retry(self, metrics: Metrics, status: str, reason: str) -> None:
        self._count.retries += 1
        metrics.retries.labels("admin_api").inc()
        self._tell_retrying(reason)

    def _tell_retrying(self, reason: str) -> None:
        self._count.retrying = bool(reason)
        if self._count.job:
            self.runtime.health[self._count.organization].retrying(self._count.job, reason)
