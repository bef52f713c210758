"""Sends the digest of each day or week that has ended to the alert webhooks, by one agent and once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import ApiKey, SpendLimit
from anthropic_metrics.alerts.webhooks import Poster, webhooks
from anthropic_metrics.budgets.limits import SpendLimits
from anthropic_metrics.config import Config
from anthropic_metrics.digest.collect import Collector, finished
from anthropic_metrics.digest.content import Digest
from anthropic_metrics.digest.message import body, slack
from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import document_id, prepare
from anthropic_metrics.errors import AuthError, BadRequest, MetricsError, Stopped
from anthropic_metrics.kernel.datasets import AGENT, SPEND, stream_name
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.logs import get_logger

log = get_logger(__name__)

# Of the document that claims a digest, and of the one that notes that every webhook took it.
ACTION, POSTED = "digest", "digest_posted"
INTERVAL = timedelta(hours=1)
# The last hours of the period have arrived by then.
_AFTER = timedelta(hours=6)
# Until then a digest waits for its period to be read; later it says what of it was not.
_AT_THE_LATEST = timedelta(hours=18)
# A claim so old without a note is of an agent that has ended, or whose webhooks do not answer.
_POSTING = timedelta(minutes=15)


def active_keys(client: AdminClient) -> list[ApiKey]:
    """The organization's keys; none where the key may not list them."""
    try:
        return endpoints.api_keys(client, problems=Problems())
    except (AuthError, BadRequest) as error:
        log.info("digest_without_keys", reason=error.message)
        return []


class DigestSender:
    """A job of the agent. Who creates the document of the period in the agent stream posts; others do not.

    A webhook that does not take the digest is tried again at the next turns of this agent, for a day.
    """

    def __init__(
        self,
        config: Config,
        client: AdminClient,
        inventory: Inventory,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
        poster: Poster | None = None,
    ) -> None:
        self._config = config
        self._client = client
        self._inventory = inventory
        self._limits = SpendLimits(client)
        self._clock = clock
        self._poster = poster or Poster(stop)
        self._stream = stream_name(AGENT, config.namespace)
        self._owed: dict[str, Digest] = {}
        self._told: datetime | None = None  # the start of the period that was told as not posted

    def job(self, sink: Sink) -> Job:
        """Looks every hour whether a period has ended."""
        run = partial(self.send, sink)
        return Job("digest", "digest", self._stream, INTERVAL, run, needs=(SPEND,))

    def send(self, sink: Sink, tally: Tally) -> None:
        """Post the digest of the period that ended last, unless somebody has. What failed is in the tally."""
        every, now = self._config.digest, self._clock()
        if every == "off":
            return
        time_range = finished(now, every)
        names = self._inventory.names(now)
        if now >= time_range.end + _AFTER:
            noted = self._noted(sink, names, time_range)
            claim, posted = (noted.get(self._id(names, time_range.start, each)) for each in (ACTION, POSTED))
            if claim is None:
                self._make(sink, names, time_range, now, tally)
            elif posted is None and not self._owed and now - claim > _POSTING:
                self._tell(time_range.start, claim)
        # What is owed is of one period, which may not be the last one any more.
        starts = {digest.time_range.start for digest in self._owed.values()}
        if self._post(now, tally):
            for start in starts:
                self._note(POSTED, sink, names, start, now)

    def _make(self, sink: Sink, names: Names, time_range: Range, now: datetime, tally: Tally) -> None:
        """Claim the digest and owe it to every webhook, once its period has been read."""
        collector = Collector(self._config, sink.ask, names)
        if now < time_range.end + _AT_THE_LATEST and not collector.has_all(time_range, now):
            log.info("digest_waits", start=time_range.start)
            return
        limits: list[SpendLimit] = self._limits.read(now, tally.answers)
        digest = collector.digest(time_range, now, active_keys(self._client), limits)
        digest = replace(digest, limits_trouble=self._limits.trouble)
        if self._note(ACTION, sink, names, time_range.start, now):
            tally.created += 1
            self._owed = {webhook.name: digest for webhook in webhooks(self._config.alerts)}

    def _tell(self, start: datetime, claimed_at: datetime) -> None:
        """Nobody posts a digest of which nobody knows whether a webhook has it: it is posted at most once."""
        if self._told != start and webhooks(self._config.alerts):
            log.warning("digest_not_posted", start=start, claimed_at=claimed_at)
            self._told = start

    def _noted(self, sink: Sink, names: Names, time_range: Range) -> dict[str, datetime]:
        """What agents have noted of the digest of this period, by id, and when."""
        sink.ask.refresh(self._stream)
        terms = {"event.action": [ACTION, POSTED]}
        documents = sink.ask.documents(
            self._stream, names.organization_id, time_range, ["event.created"], terms=terms
        )
        return {id_: datetime.fromisoformat(source["event"]["created"]) for id_, source in documents}

    def _note(self, action: str, sink: Sink, names: Names, start: datetime, now: datetime) -> bool:
        """Create the document of this period; whether nobody has before."""
        document = agent_document(
            action,
            at=start,
            now=now,
            namespace=self._config.namespace,
            organization=names.organization,
            anthropic={},
        )
        outcome = sink.store.append(self._stream, [prepare(self._id(names, start, action), document)])
        return outcome.created == 1

    def _id(self, names: Names, start: datetime, action: str) -> str:
        dimensions: dict[str, str | None] = {"action": action, "every": self._config.digest}
        return document_id(names.organization_id, AGENT, start, dimensions)

    def _post(self, now: datetime, tally: Tally) -> bool:
        """Post what is owed; whether every webhook has it now."""
        known, has_all = {webhook.name: webhook for webhook in webhooks(self._config.alerts)}, True
        for name, digest in list(self._owed.items()):
            if name not in known or now > digest.time_range.end + timedelta(days=1):
                log.error("digest_never_posted", webhook=name)
                del self._owed[name]
                has_all = False
                continue
            webhook = known[name]
            try:
                self._poster.post_body(webhook, slack(digest) if webhook.kind == "slack" else body(digest))
            except Stopped:
                raise
            except MetricsError as error:
                tally.failures.append(str(error))
                has_all = False
            else:
                del self._owed[name]
                log.info("digest_posted", webhook=name)
        return has_all
