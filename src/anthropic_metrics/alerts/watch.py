"""The agent as its own alerting: runs the rules that are due and posts what begins and what ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import uuid4

from anthropic_metrics.alerts.catalog import every_rule, off_because, rules
from anthropic_metrics.alerts.delivery import Delivery
from anthropic_metrics.alerts.departed import RuleLists
from anthropic_metrics.alerts.evaluation import silent_streams
from anthropic_metrics.alerts.execute import MOST_ALERTS, judged, turn
from anthropic_metrics.alerts.first_evaluations import FirstEvaluations, key_of
from anthropic_metrics.alerts.rule import Rule
from anthropic_metrics.alerts.state import SUMMARY, AlertState, StoredAlert
from anthropic_metrics.alerts.webhooks import Poster, webhooks
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.errors import MetricsError, NoData, Stopped
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.logs import get_logger

log = get_logger(__name__)

# A scheduler that is a little early must not make a rule wait for another round.
_SLACK = timedelta(seconds=30)
_GONE = "the rule is no longer in the configuration"


class Watch:
    """Evaluates the configured rules. Safe to run in several agents at once: each alert is posted by one.

    What the first evaluation of a rule, as it is configured now, finds begun or ended is told in one summary:
    existing data or another threshold must not bring fifty messages. `is_settled` says whether the streams
    have been filled; until then each evaluation counts as the first. `owner` tells agents of these keys from
    others, which may have other rules.
    """

    def __init__(
        self,
        config: Config,
        es: Client,
        *,
        clock: Callable[[], datetime],
        stop: threading.Event,
        poster: Poster | None = None,
        is_settled: Callable[[], bool] = lambda: True,
        owner: str = "",
    ) -> None:
        self._config = config
        self._rules = rules(config)
        every = every_rule(config)
        self._names = {rule.key: rule.name for rule in every}
        self._off = {rule.key: why for rule in every if (why := off_because(rule, config))}
        self._es = es
        self._clock = clock
        self._is_settled = is_settled
        me = uuid4().hex
        self._state = AlertState(es, config.namespace, me, stop=stop)
        self._evaluated = FirstEvaluations(es, config.namespace, me, stop=stop)
        self._lists = RuleLists(es, config.namespace, owner, stop=stop)
        self._webhooks = webhooks(config.alerts)
        self._delivery = Delivery(self._state, self._webhooks, poster or Poster(stop))
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

        An alert does not end while its streams are absent or without fresh data. First evaluations and the
        summary are left to the agent that claims them.
        Counts new alerts as created and ended ones as replaced. What failed is in `tally.failures`.
        """
        try:
            self._evaluate(tally)
        except Stopped:
            with suppress(MetricsError):
                self._state.give_back()
                self._evaluated.release()
            raise

    def _evaluate(self, tally: Tally) -> None:
        now, is_settled = self._clock(), self._is_settled()
        self._silent = None
        self._end_departed(now, tally)
        known = self._evaluated.keys()
        due = [(rule, key_of(rule) not in known) for rule in self._rules if self._due(rule, now)]
        has_first = any(is_first for _, is_first in due) or any(
            stored.in_summary for stored in self._state.pending()
        )
        is_mine = has_first and self._evaluated.claim(now)
        evaluated = [
            rule
            for rule, is_first in due
            if (is_mine or not is_first) and self._turn(rule, now, tally, is_first=is_first)
        ]
        if is_mine and is_settled:
            self._evaluated.add(evaluated, self._rules)
        self._post(now, tally, may_sum_up=is_mine)
        if is_mine:
            self._evaluated.release()
        tally.open_alerts = self._state.count_open()

    def _end_departed(self, now: datetime, tally: Tally) -> None:
        """End the alerts whose rule no agent has any more; a summary tells of them."""
        is_gone = self._lists.note([rule.key for rule in self._rules], now)
        for stored in self._state.open():
            if not is_gone(key := stored.alert["rule"]):
                continue
            reason = f"the rule is off: {self._off[key]}" if key in self._off else _GONE
            owed = self._owed(SUMMARY, besides=stored)
            if self._state.recover(stored, now, owed, reason=reason):
                tally.replaced += 1
                log.info("alert_recovered", rule=key, alert=stored.alert["id"], reason=reason)

    def _due(self, rule: Rule, now: datetime) -> bool:
        """A last turn in the future means that the clock was set back: nobody knows how long ago it was."""
        last = self._last.get(rule.key)
        return last is None or not last <= now < last + rule.schedule - _SLACK

    def _turn(self, rule: Rule, now: datetime, tally: Tally, *, is_first: bool) -> bool:
        """Run the rule; False where it failed or had no stream to read, which is no evaluation."""
        try:
            self._run(rule, now, tally, is_first=is_first)
        except NoData:  # no news, neither good nor bad
            self._last[rule.key] = now
            return False
        except Stopped:
            raise
        except MetricsError as error:
            tally.failures.append(f"Rule {rule.key}: {error}")
            return False
        self._last[rule.key] = now
        return True

    def _run(self, rule: Rule, now: datetime, tally: Tally, *, is_first: bool) -> None:
        found = judged(self._es, rule, now)
        self._state.refresh()
        known = self._state.of_rule(rule, [alert.id for alert in found.alerts])
        change = turn(known.active, found)
        for alert in change.new:
            if known.ended_since(alert.id, now):
                continue
            episode = known.episodes(alert.id)
            owed = self._owed(SUMMARY if is_first else "fired ")
            if self._state.fire(rule, alert, episode, now, owed):
                tally.created += 1
                log.warning("alert_fired", rule=rule.key, alert=alert.id)
        is_known = bool(change.recovered) and not self._lacks_data(rule, now)
        for identity in change.recovered if is_known else ():
            stored = known.active[identity]
            owed = self._owed(SUMMARY if is_first else "recovered ", besides=stored)
            if self._state.recover(stored, now, owed):
                tally.replaced += 1
                log.info("alert_recovered", rule=rule.key, alert=identity)
        if change.is_cut:
            tally.failures.append(
                f"Rule {rule.key} returns {MOST_ALERTS:,} alerts or more: none ends until it returns fewer."
            )
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

    def _owed(self, event: str, besides: StoredAlert | None = None) -> list[str]:
        """The posts of an event; a summary that is still to count the alert will tell its end, too."""
        names = set(besides.in_summary) if besides else set()
        return [f"{event}{webhook.name}" for webhook in self._webhooks if webhook.name not in names]

    def _post(self, now: datetime, tally: Tally, *, may_sum_up: bool) -> None:
        if may_sum_up:
            self._delivery.summaries(self._names, now, tally, lambda: self._evaluated.claim(self._clock()))
        self._delivery.alerts(self._names, self._clock, tally)
