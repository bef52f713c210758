"""What all organizations of one agent share: the store, questions to it, the schedule, and the view of how
all of them do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import connect
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.errors import WrongOrganization
from anthropic_metrics.health import Health, Metrics, combined
from anthropic_metrics.kernel.jobs import Job, Kind
from anthropic_metrics.kernel.ports import Record, Sink

SHARED = "shared"


class Runtime:
    """Connected to the cluster of the configuration; close it. `stop` ends waits. `tells`: failures are
    logged when they begin.

    `metrics` and `health` are by the label of an organization; under the empty one are those of jobs that
    organizations share, which is all of them where there is one organization.
    """

    def __init__(
        self,
        config: Config,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
        stop: threading.Event,
        tells: bool = True,
    ) -> None:
        self.elasticsearch = connect(config.elasticsearch)
        self.store = Streams(self.elasticsearch, stop=stop)
        self.ask = ElasticQuestions(self.elasticsearch)
        labels = ["", *(settings.label for settings in config.per_organization() if settings.label)]
        self.metrics = {label: Metrics.create(process=not label) for label in labels}
        self.registry = combined({label: settings.registry for label, settings in self.metrics.items()})
        self._clock = clock
        self._monotonic = monotonic
        self._tells = tells
        self._owners: dict[str, str] = {}
        self._lock = threading.Lock()
        self.schedule([])

    def sink(self, record: Record) -> Sink:
        """Where jobs write; `record` appends to the agent stream."""
        return Sink(self.store, record, self.ask)

    def schedule(self, jobs: Sequence[Job], clients: Mapping[str, AdminClient] | None = None) -> None:
        """The jobs to run from now on; their health begins anew. `clients` are by organization: they say why
        requests wait."""
        self.jobs = list(jobs)
        self.health = {
            label: self._health(
                [job for job in jobs if job.organization == label], metrics, (clients or {}).get(label)
            )
            for label, metrics in self.metrics.items()
        }

    def had_turn(self, job: Job) -> bool:
        """Whether the job has run to its end at least once, whatever it ended in."""
        state = self.health[job.organization].pollers[job.name]
        return bool(state.last_success or state.last_failure)

    def is_running(self, job: Job) -> bool:
        """Whether an attempt at the job is under way."""
        return self.health[job.organization].pollers[job.name].running

    def failure(self, job: Job) -> tuple[float, int] | None:
        """When the job's last attempt failed, in seconds of the monotonic clock, and how many in a row have;
        None where it succeeded or there was none."""
        state = self.health[job.organization].pollers[job.name]
        return None if state.failed_at is None or not state.failures else (state.failed_at, state.failures)

    def waits(self, job: Job, awaited: Iterable[Job]) -> None:
        """The job's first turn waits for those of these jobs: it says so until it begins."""
        names = " and ".join(other.name for other in awaited)
        self.health[job.organization].waits(job.name, f"waits for the first poll of {names}")

    def claim(self, label: str, organization_id: str) -> None:
        """Note whose the key of `label` is; WrongOrganization where another key of the agent has it.

        Two pollers of one organization would rewrite each other's names, and count its budgets twice.
        """
        with self._lock:
            owner = self._owners.setdefault(organization_id, label)
        if owner != label:
            raise WrongOrganization(
                f"The keys of {owner} and {label} both belong to organization {organization_id}.",
                cure=f"Take {label} out of `organizations`, or give it the key of another organization.",
            )

    def _health(self, jobs: Iterable[Job], metrics: Metrics, client: AdminClient | None) -> Health:
        jobs = list(jobs)
        return Health(
            {job.name: job.interval for job in jobs},
            streams={job.name: job.stream for job in jobs},
            metrics=metrics,
            later=[job.name for job in jobs if job.kind is Kind.sweep],
            clock=self._clock,
            monotonic=self._monotonic,
            tells=self._tells,
            held=client.held_for if client else str,
            silent=client.waiting.seconds if client else float,
        )

    def close(self) -> None:
        """Release the connection."""
        self.elasticsearch.close()


class AllHealth:
    """The health of several organizations in one view; of one it is that organization's own."""

    def __init__(self, health: Mapping[str, Health]) -> None:
        self._health = {label: own for label, own in health.items() if own.pollers or len(health) == 1}

    @property
    def _is_one(self) -> bool:
        return list(self._health) == [""]

    def troubles(self) -> dict[str, str]:
        """Each poller whose data is not fresh, with the reason; of several organizations, with its name."""
        troubles: dict[str, str] = self.as_dict()["troubles"]
        return troubles

    def as_dict(self) -> dict[str, Any]:
        """As `/readyz` shows it."""
        if self._is_one:
            return self._health[""].as_dict()
        each = {label or SHARED: health.as_dict() for label, health in self._health.items()}
        troubles = {
            f"{label}: {name}": why for label, own in each.items() for name, why in own["troubles"].items()
        }
        return {
            "status": "not ready" if troubles else "ready",
            "troubles": troubles,
            "organizations": each,
        }
