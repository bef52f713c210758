"""The agent as its own alerting: runs the rules that are due and posts what begins and what ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.alerts.evaluation import silent_streams
from anthropic_metrics.alerts.execute import run, turn
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.alerts.state import AlertState, Kept
from anthropic_metrics.alerts.webhooks import Poster, Webhook, webhooks
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.errors import MetricsError, NoData, Stopped
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.logs import get_logger

log = get_logger(__name__)

# What nobody took for so long is not news any more.
STALE = timedelta(days=1)
# A scheduler that is a little early must not make a rule wait for another round.
_SLACK = timedelta(seconds=30)


class Watch:
    """Evaluates the configured rules. Safe to run in several agents at once: each alert is posted by one."""

    def __init__(
        self,
        config: Config,
        es: Client,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
        poster: Poster | None = None,
    ) -> None:
        self._config = config
        self._rules = rules(config)
        self._es = es
        self._clock = clock
        self._state = AlertState(es, config.namespace, uuid4().hex, stop=stop)
        self._webhooks = webhooks(config.alerts)
        self._poster = poster or Poster(stop)
        self._last: dict[str, datetime] = {}
        self._silent: set[tuple[str, str]] | None = None

    @property
    def interval(self) -> timedelta:
        """How often `evaluate` is to be called: at the shortest of the schedules."""
        return min((rule.schedule for rule in self._rules), default=timedelta(hours=1))

    @property
    def stream(self) -> str:
        return self._state.stream

    def evaluate(self, tally: Tally) -> None:
        """Run every rule that is due, then post what is owed. One rule's failure does not keep the others.

        An alert does not end while its streams are absent or without fresh data.
        Counts new alerts as created and ended ones as replaced. What failed is in `tally.failures`.
        """
        now = self._clock()
        self._silent = None
        for rule in self._rules:
            if not self._due(rule, now):
                continue
            try:
                self._run(rule, now, tally)
            except Stopped:
                raise
            except MetricsError as error:
                tally.failures.append(f"Rule {rule.key}: {error}")
            else:
                self._last[rule.key] = now
        self._post(now, tally)

    def _due(self, rule: Rule, now: datetime) -> bool:
        """A last turn in the future means that the clock was set back: nobody knows how long ago it was."""
        last = self._last.get(rule.key)
        return last is None or not last <= now < last + rule.schedule - _SLACK

    def _run(self, rule: Rule, now: datetime, tally: Tally) -> None:
        try:
            found = run(self._es, rule, now)
        except NoData:
            return  # no news, neither good nor bad
        self._state.refresh()
        known = self._state.known(rule, [alert.id for alert in found])
        change = turn(known.active, found)
        for alert in change.new:
            if known.ended_since(alert.id, now):
                continue
            episode = known.episodes(alert.id)
            if self._state.fire(rule, alert, episode, now, self._owed("fired")):
                tally.created += 1
                log.warning("alert_fired", rule=rule.key, alert=alert.id)
        is_known = bool(change.recovered) and not self._lacks_data(rule, now)
        for identity in change.recovered if is_known else ():
            if self._state.recover(known.active[identity], now, self._owed("recovered")):
                tally.replaced += 1
                log.info("alert_recovered", rule=rule.key, alert=identity)
        tally.kept += len(change.ongoing)

    def _lacks_data(self, rule: Rule, now: datetime) -> bool:
        """Whether a stream of the rule is silent: then nobody knows whether an alert is over."""
        if self._silent is None:
            self._silent = silent_streams(self._es, self._config, now)
        streams = {stream_name(dataset, self._config.namespace) for dataset in rule.reads}
        return any(
            stream in streams and rule.organization in ("", organization)
            for organization, stream in self._silent
        )

    def _owed(self, event: str) -> list[str]:
        return [f"{event} {webhook.name}" for webhook in self._webhooks]

    def _post(self, now: datetime, tally: Tally) -> None:
        self._state.refresh()
        for kept in self._state.claimed(now):
            try:
                self._post_one(kept, now, tally)
            except Stopped:
                raise
            except MetricsError as error:  # of the alert memory: the others are still posted
                tally.failures.append(f"Alert {kept.alert['id']} of {kept.alert['rule']}: {error}")

    def _post_one(self, kept: Kept, now: datetime, tally: Tally) -> None:
        left = kept.pending
        try:
            left = self._posted(kept, now, tally)
        finally:
            self._state.settle(kept, left)

    def _posted(self, kept: Kept, now: datetime, tally: Tally) -> list[str]:
        """Post what is pending, in order; returns what is left for the next time."""
        known = {webhook.name: webhook for webhook in self._webhooks}
        since = datetime.fromisoformat(kept.alert.get("recovered_at") or kept.alert["fired_at"])
        left = []
        failing: set[str] = set()
        for owed in kept.pending:
            event, _, name = owed.partition(" ")
            if name not in known:
                continue  # taken out of the configuration
            if name in failing or not self._try(known[name], kept, event, tally):
                failing.add(name)
                left.append(owed)
        if left and now - since > STALE:
            log.error("alert_never_posted", rule=kept.alert["rule"], alert=kept.alert["id"], pending=left)
            return []
        return left

    def _try(self, webhook: Webhook, kept: Kept, event: str, tally: Tally) -> bool:
        try:
            self._poster.post(webhook, self._message(kept, event))
        except Stopped:
            raise
        except MetricsError as error:
            tally.failures.append(str(error))
            return False
        return True

    def _message(self, kept: Kept, event: str) -> dict[str, Any]:
        alert = kept.alert
        name = next((rule.name for rule in self._rules if rule.key == alert["rule"]), alert["rule"])
        said = "Recovered" if event == "recovered" else "Alert"
        return {
            "event": event,
            **({"organization": own} if (own := kept.organization) else {}),
            "rule": alert["rule"],
            "name": name,
            "alert": alert["id"],
            "at": alert.get("recovered_at") if event == "recovered" else alert["fired_at"],
            "row": json.loads(alert["row"]),
            "text": f"{said}: {name}: {alert['message']}",
        }
