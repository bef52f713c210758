"""One attempt at a job, and its document in the agent stream."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anthropic_metrics.documents.agent import AgentDocument, Poll, agent_document
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.redaction import excerpt

MESSAGE_LENGTH = 1000


class RequestCount(threading.local):
    """Admin API requests of this thread's job, its name and whose it is: jobs that run side by side do not
    count each other's. `retrying`: its last request is sent again."""

    requests = 0
    retries = 0
    job = ""
    organization = ""
    retrying = False

    def begin(self, job: Job) -> None:
        """Count from zero, for this job."""
        self.requests = self.retries = 0
        self.job, self.organization, self.retrying = job.name, job.organization, False


@dataclass(frozen=True)
class Attempt:
    """What a job did, from `began`, in `seconds`, over `window`. `refused`: a server refused the key."""

    job: Job
    tally: Tally
    window: Range
    began: datetime
    seconds: float
    requests: int
    retries: int
    refused: bool = False

    @property
    def failure(self) -> str | None:
        """Why it failed, in one line; None if all windows are done."""
        return "; ".join(self.tally.failures) or None

    def facts(self) -> dict[str, Any]:
        """For the log and the health page: every count that is not zero."""
        return {**self.tally.counts(), "requests": self.requests, "seconds": round(self.seconds, 3)}


def poll_document(
    attempt: Attempt, namespace: str, organization: dict[str, Any] | None, key_digest: str | None
) -> AgentDocument:
    """The attempt as a document; jobs that several organizations share have neither organization nor key."""
    tally, failure = attempt.tally, attempt.failure
    counts = {name: count for name, count in tally.counts().items() if name in Poll.model_fields}
    lag = (attempt.began - tally.newest_data).total_seconds() if tally.newest_data else None
    poll = {
        "poller": attempt.job.poller,
        "stream": attempt.job.stream,
        "key_digest": key_digest,
        "window_start": attempt.window.start,
        "window_end": attempt.window.end,
        "seconds": round(attempt.seconds, 3),
        "requests": attempt.requests,
        "retries": attempt.retries,
        "newest_data": tally.newest_data,
        "lag_seconds": lag,
        "silencing": sorted(tally.silencing) or None,
        **counts,
    }
    return agent_document(
        "poll",
        at=attempt.began,
        now=attempt.began,
        namespace=namespace,
        organization=organization,
        anthropic={"poll": poll},
        event={"outcome": "failure" if failure else "success"},
        failure=failure and excerpt(failure, MESSAGE_LENGTH),
    )
