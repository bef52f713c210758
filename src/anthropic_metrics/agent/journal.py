"""What an attempt at a job leaves behind: lines of the log, health, metrics, and documents in the agent
stream."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import uuid4

from anthropic_metrics.agent.measure import measure
from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.agent.record import Attempt, RequestCount, poll_document
from anthropic_metrics.agent.runtime import Runtime
from anthropic_metrics.documents.identity import Prepared, prepare
from anthropic_metrics.errors import MetricsError, Stopped
from anthropic_metrics.health import Metrics
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.digests import hex_digest
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.logs import Flip, get_logger

log = get_logger(__name__)

# Rows and fields that a line of the log names; the rest are counted.
_NAMED = 5


class Journal:
    """Reports the attempts of one agent. Thread-safe."""

    def __init__(self, runtime: Runtime, namespace: str) -> None:
        self._runtime = runtime
        self._namespace = namespace
        self._stream = stream_name(AGENT, namespace)
        self._agent = uuid4().hex
        self.count = RequestCount()
        self._flip = Flip(log)
        self._silencing: dict[tuple[str, str], set[str]] = {}
        self._unknown: set[tuple[str, str, str]] = set()

    def begin(self, job: Job) -> None:
        """An attempt at the job begins on this thread."""
        self.count.begin(job)
        self._runtime.health[job.organization].began(job.name)

    def on_request(self, metrics: Metrics, status: str) -> None:
        """The Admin API answered a request of this thread's attempt, or did not (`error`)."""
        self.count.requests += 1
        metrics.requests.labels("admin_api", status).inc()
        if self.count.retrying and status == "200":
            self._report_retrying("")

    def on_retry(self, metrics: Metrics, status: str, reason: str, seconds: float) -> None:
        """A request of this thread's attempt is sent again."""
        self.count.retries += 1
        metrics.retries.labels("admin_api").inc()
        self._report_retrying(reason)

    def record_corrections(self, corrections: Sequence[Prepared]) -> None:
        """Append to the agent stream.

        Tries again while that brings more of them in; one that stays refused holds no number up.
        """
        open_, before = len(corrections), len(corrections) + 1
        while 0 < open_ < before:
            outcome = self._runtime.store.append(self._stream, corrections)
            before, open_ = open_, outcome.refused + outcome.diverted
        if open_:
            log.error("corrections_not_recorded", count=open_, stream=self._stream)
            whose, all_metrics = corrections[0].source.get("organization", {}), self._runtime.metrics
            metrics = all_metrics.get(whose.get("name"), all_metrics[""])
            metrics.documents.labels(self._stream, "refused").inc(open_)

    def report(self, attempt: Attempt, organization: Organization | None, *, has_stream: bool) -> None:
        """Report an attempt that has ended, of an `organization` or, None, of what they share.

        Without `has_stream` nothing is written to the agent stream: before the templates stand that would
        make a stream that is mapped by guesses. Raises Stopped.
        """
        job, failure = attempt.job, attempt.failure
        level = logging.INFO if attempt.tally.changed or attempt.tally.in_pass else logging.DEBUG
        failed = {"failed": True} if failure else {}
        log.log(level, "poll_done", job=job.name, **attempt.facts(), **failed)
        self._report_answers(attempt)
        if failure:
            self._runtime.health[job.organization].failed(job.name, failure, paused=attempt.refused)
        else:
            self._runtime.health[job.organization].ok(job.name, **attempt.facts())
        measure(self._runtime.metrics[job.organization], attempt)
        if has_stream:
            self._append(attempt, organization)

    def _report_answers(self, attempt: Attempt) -> None:
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
        for reason in sorted(attempt.tally.silencing - self._silencing.get(key, set())):
            log.warning("alerts_silenced", job=attempt.job.name, reason=reason)
        self._silencing[key] = attempt.tally.silencing

    def _append(self, attempt: Attempt, organization: Organization | None) -> None:
        """One agent document for the attempt. That it cannot be written must not fail the job itself."""
        job = attempt.job
        shown, digest = (organization.shown, organization.client.key_digest) if organization else (None, None)
        document = poll_document(attempt, self._namespace, shown, digest)
        key = " ".join(filter(None, (self._agent, job.organization, job.name, attempt.began.isoformat())))
        try:
            self._runtime.store.append(self._stream, [prepare(hex_digest(key), document)], new=True)
        except Stopped:
            raise
        except MetricsError as error:
            if not attempt.failure:  # else its cause has been reported already
                self._flip.failed("agent stream", str(error))
        else:
            self._flip.ok("agent stream")

    def _report_retrying(self, reason: str) -> None:
        self.count.retrying = bool(reason)
        if self.count.job:
            self._runtime.health[self.count.organization].retrying(self.count.job, reason)
