"""The agent: connects both sides, runs jobs, and says what each of them did."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self
from uuid import uuid4

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.agent.record import Attempt, RequestCount, poll_document
from anthropic_metrics.agent.runtime import Runtime
from anthropic_metrics.alerts.watch import Watch
from anthropic_metrics.budgets.ledger import collects_spend
from anthropic_metrics.config import Config
from anthropic_metrics.config.money import teams_of
from anthropic_metrics.digest.send import DigestSender
from anthropic_metrics.documents.identity import Prepared, prepare
from anthropic_metrics.elastic.memory import StreamMemory
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.errors import AuthError, MetricsError, Stopped, WrongOrganization
from anthropic_metrics.health import Health, Metrics, label
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.digests import hex_digest
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import WRITTEN, Tally
from anthropic_metrics.logs import Flip, get_logger

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
    ones.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Callable[[], datetime] = utc_now,
        stop: threading.Event | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        config.require_admin_key()
        config.require_elasticsearch()
        self.config = config
        self.clock = clock
        self.monotonic = monotonic
        self.stop = stop or threading.Event()
        self.runtime = Runtime(config, clock=clock, monotonic=monotonic, stop=self.stop)
        self._count = RequestCount()
        self.client = AdminClient(
            config.anthropic,
            stop=self.stop,
            clock=clock,
            monotonic=monotonic,
            on_request=self._on_request,
            on_retry=self._on_retry,
        )
        elasticsearch = self.runtime.elasticsearch
        inventory = Inventory(
            AdminDirectory(self.client),
            organization_id=config.anthropic.organization_id,
            teams=teams_of(config.teams),
            memory=StreamMemory.of(elasticsearch, config.namespace, self.client.key_digest),
        )
        self.organization = Organization(config, self.client, inventory, clock=clock)
        self.sink = self.runtime.sink(self._record_corrections)
        self.runtime.schedule([*self.organization.scheduled(self.sink), *self._watch(), *self._digest()])
        self._agent_stream = stream_name(AGENT, config.namespace)
        self._id = uuid4().hex
        self._ready = threading.Lock()
        self._is_ready = False
        self._flip = Flip(log)
        self._silencing: dict[str, set[str]] = {}
        self._unknown: set[tuple[str, str]] = set()

    @property
    def jobs(self) -> list[Job]:
        """What the daemon runs."""
        return self.runtime.jobs

    @property
    def health(self) -> Health:
        """How the jobs do."""
        return self.runtime.health

    @property
    def metrics(self) -> Metrics:
        """The counters of the metrics page."""
        return self.runtime.metrics

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the connections."""
        self.client.close()
        self.runtime.close()

    def _watch(self) -> list[Job]:
        """The evaluation of the alert rules, where the agent is to do it."""
        if not self.config.alerts.evaluate:
            return []
        watch = Watch(self.config, self.runtime.elasticsearch, clock=self.clock, stop=self.stop)
        return [Job("alerts", "alerts", watch.stream, watch.interval, watch.evaluate)]

    def _digest(self) -> list[Job]:
        """The digest, where it is asked for and there is spend to read."""
        if self.config.digest == "off" or not collects_spend(self.config):
            return []
        inventory = self.organization.inventory
        sender = DigestSender(self.config, self.client, inventory, clock=self.clock, stop=self.stop)
        return [sender.job(self.sink)]

    def attempt(self, job: Job) -> Tally:
        """Run a job, whatever happens in it, and report it: log, health, metrics, agent stream.

        Raises only Stopped. Everything else ends as `tally.failures`.
        """
        tally = Tally(job.poller, job.stream)
        began, started = self.clock(), time.monotonic()
        self._count.requests = self._count.retries = 0
        window, refused = None, False
        try:
            self._ensure()
            window = job.run(tally)
        except Stopped:
            raise
        except MetricsError as error:
            tally.failures.append(str(error))
            refused = isinstance(error, AuthError | WrongOrganization)
        except Exception:
            log.exception("poll_crashed", job=job.name)
            tally.failures.append("An unexpected error; its traceback is in the log.")
        if missing := tally.refused + tally.diverted + tally.withheld + tally.unsettled:
            tally.failures.append(f"{missing} documents did not arrive.")
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

    def _ensure(self) -> None:
        """Templates and pipelines stand before the first document."""
        with self._ready:
            if not self._is_ready:
                ensure(self.runtime.elasticsearch, self.config)
                self._is_ready = True

    def _record_corrections(self, corrections: Sequence[Prepared]) -> None:
        """Try again while that brings more of them in; one that stays refused holds no number up."""
        open_, before = len(corrections), len(corrections) + 1
        while 0 < open_ < before:
            outcome = self.runtime.store.append(self._agent_stream, corrections)
            before, open_ = open_, outcome.refused + outcome.diverted
        if open_:
            log.error("corrections_not_recorded", count=open_, stream=self._agent_stream)
            self.metrics.documents.labels(self._agent_stream, "refused").inc(open_)

    def _report(self, attempt: Attempt) -> None:
        job, failure = attempt.job, attempt.failure
        level = logging.INFO if attempt.tally.changed else logging.DEBUG
        log.log(level, "poll_done", job=job.name, **attempt.facts())
        self._tell_answers(attempt)
        if failure:
            self.health.failed(job.name, failure, paused=attempt.refused)
        else:
            self.health.ok(job.name, **attempt.facts())
        self._measure(attempt)
        self._append_poll(attempt)

    def _tell_answers(self, attempt: Attempt) -> None:
        """One line for all rows that were refused, and one when a field first comes that nobody knows."""
        answers, stream = attempt.tally.answers, attempt.job.stream
        if answers.total:
            rows = [f"{where}: {reason}" for where, reason in answers.bad_rows[:_NAMED]]
            log.warning("rows_refused", job=attempt.job.name, stream=stream, count=answers.total, first=rows)
        fresh = {(stream, name) for name in answers.unknown_fields} - self._unknown
        if fresh:
            self._unknown |= fresh
            log.warning("unknown_fields", stream=stream, fields=sorted(name for _, name in fresh)[:_NAMED])
        for said in sorted(attempt.tally.silencing - self._silencing.get(attempt.job.name, set())):
            log.warning("alerts_silenced", job=attempt.job.name, reason=said)
        self._silencing[attempt.job.name] = attempt.tally.silencing

    def _measure(self, attempt: Attempt) -> None:
        stream, tally = attempt.job.stream, attempt.tally
        for outcome in WRITTEN:
            if count := getattr(tally, outcome):
                self.metrics.documents.labels(stream, outcome).inc(count)
        if tally.bad_rows:
            self.metrics.rows_refused.labels(stream).inc(tally.bad_rows)
        if tally.newest_data is not None:
            self.metrics.newest_data.labels(stream).set(tally.newest_data.timestamp())
        self.metrics.silenced.labels(label(attempt.job.name)).set(len(tally.silencing))
        if tally.estimate_error is not None:
            self.metrics.estimate_error.labels(stream).set(tally.estimate_error)
        if tally.differing is not None:
            self.metrics.differing.labels(label(attempt.job.name)).set(tally.differing)

    def _append_poll(self, attempt: Attempt) -> None:
        """One agent document for the attempt. That it cannot be written must not fail the job itself.

        Before the templates stand it would make a stream that is mapped by guesses.
        """
        if not self._is_ready:
            return
        document = poll_document(
            attempt, self.config.namespace, self.organization.inventory.organization, self.client.key_digest
        )
        key = f"{self._id} {attempt.job.name} {attempt.began.isoformat()}"
        try:
            self.runtime.store.append(self._agent_stream, [prepare(hex_digest(key), document)], new=True)
        except Stopped:
            raise
        except MetricsError as error:
            if not attempt.failure:  # else its cause has been told already
                self._flip.failed("agent stream", str(error))
        else:
            self._flip.ok("agent stream")

    def _on_request(self, status: str) -> None:
        self._count.requests += 1
        self.metrics.requests.labels("admin_api", status).inc()

    def _on_retry(self, status: str) -> None:
        self._count.retries += 1
        self.metrics.retries.labels("admin_api").inc()
