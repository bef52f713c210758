"""Posts what the memory of alerts owes to the webhooks: summaries, and alerts and their ends one by one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.alerts.claims import RENEWED_AFTER
from anthropic_metrics.alerts.state import SUMMARY, AlertState, StoredAlert
from anthropic_metrics.alerts.summary import SummaryEntry, summary
from anthropic_metrics.alerts.webhooks import Poster, Webhook
from anthropic_metrics.errors import MetricsError, Stopped
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.logs import get_logger

log = get_logger(__name__)

# What nobody took for so long is not news any more; a summary says how things stand when it is posted.
STALE = timedelta(days=1)

Names = Mapping[str, str]
"""The rules' names by their keys."""


class Delivery:
    """Posts for one agent. What a webhook does not take stays owed; why is in `tally.failures`."""

    def __init__(self, state: AlertState, webhooks: Sequence[Webhook], poster: Poster) -> None:
        self._state = state
        self._webhooks = {webhook.name: webhook for webhook in webhooks}
        self._poster = poster

    def summaries(self, names: Names, now: datetime, tally: Tally, renew: Callable[[], bool]) -> None:
        """Post to each webhook one message about all alerts that it is owed in a summary; one alert is posted
        as itself. `renew` says whether this agent still has the claim to do so.
        """
        self._state.refresh()
        owing = {name for stored in self._state.pending() for name in stored.in_summary}
        for name in [*(known for known in self._webhooks if known in owing), *owing - self._webhooks.keys()]:
            if not renew():
                return
            owed = [stored for stored in self._state.pending() if name in stored.in_summary]
            if name not in self._webhooks or self._try(name, _summary(owed, names, now), tally):
                self._state.mark_posted(owed, name)
                self._state.refresh()

    def alerts(self, names: Names, clock: Callable[[], datetime], tally: Tally) -> None:
        """Post what is owed one by one, of the alerts that this agent claims.

        Webhooks may take longer than a claim lasts: what is left is claimed again in time.
        """
        tried: set[str] = set()
        is_left = True
        while is_left:
            self._state.refresh()
            claimed_at, is_left = clock(), False
            claimed = self._state.claimed(claimed_at)
            for stored in (each for each in claimed if each.document.copy.id not in tried):
                if is_left := bool(tried) and clock() >= claimed_at + RENEWED_AFTER:
                    break
                tried.add(stored.document.copy.id)
                self._post_noted(stored, names, claimed_at, tally)

    def _post_noted(self, stored: StoredAlert, names: Names, now: datetime, tally: Tally) -> None:
        try:
            self._post(stored, names, now, tally)
        except Stopped:
            raise
        except MetricsError as error:  # of the alert memory: the others are still posted
            tally.failures.append(f"Alert {stored.alert['id']} of {stored.alert['rule']}: {error}")

    def _post(self, stored: StoredAlert, names: Names, now: datetime, tally: Tally) -> None:
        left = stored.alone
        try:
            self._post_all(stored, left, names, now, tally)
        finally:
            summed = [owed for owed in stored.pending if owed.startswith(SUMMARY)]
            self._state.settle(stored, [*summed, *left])

    def _post_all(
        self, stored: StoredAlert, left: list[str], names: Names, now: datetime, tally: Tally
    ) -> None:
        """Post what is pending, in order; `left` loses what is done, so that a stop repeats none of it."""
        since = datetime.fromisoformat(stored.alert.get("recovered_at") or stored.alert["fired_at"])
        failing: set[str] = set()
        for owed in stored.alone:
            event, _, name = owed.partition(" ")
            if name not in self._webhooks:
                left.remove(owed)  # taken out of the configuration
            elif name in failing or not self._try(name, _message(stored, event, names), tally):
                failing.add(name)
            else:
                left.remove(owed)
        if left and now - since > STALE:
            log.error("alert_never_posted", rule=stored.alert["rule"], alert=stored.alert["id"], pending=left)
            left.clear()

    def _try(self, name: str, message: dict[str, Any], tally: Tally) -> bool:
        try:
            self._poster.post(self._webhooks[name], message)
        except Stopped:
            raise
        except MetricsError as error:
            tally.failures.append(str(error))
            return False
        return True


def _summary(owed: Sequence[StoredAlert], names: Names, now: datetime) -> dict[str, Any]:
    if len(owed) == 1:
        return _message(owed[0], "fired" if owed[0].is_open else "recovered", names)
    told = [
        SummaryEntry(
            stored.alert["rule"], stored.organization, stored.is_open, stored.alert.get("reason", "")
        )
        for stored in owed
    ]
    return summary(told, names, now)


def _message(stored: StoredAlert, event: str, names: Names) -> dict[str, Any]:
    alert = stored.alert
    name = names.get(alert["rule"], alert["rule"])
    said = "Recovered" if event == "recovered" else "Alert"
    reason = alert.get("reason", "") if event == "recovered" else ""
    return {
        "event": event,
        **({"organization": own} if (own := stored.organization) else {}),
        "rule": alert["rule"],
        "name": name,
        "alert": alert["id"],
        "at": alert.get("recovered_at") if event == "recovered" else alert["fired_at"],
        "row": json.loads(alert["row"]),
        **({"reason": reason} if reason else {}),
        "text": f"{said}: {name}: {alert['message']}" + (f" ({reason})" if reason else ""),
    }
