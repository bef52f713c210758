"""Five days of an inventory: keys that are new, expire or idle; workspaces without limits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

from elasticsearch import Elasticsearch

from anthropic_metrics.config import AlertSettings
from tests.harness.alerts_replay import DAY, HOUR, Incident, Replay, at
from tests.harness.alerts_world import replay

START, END = at("2026-11-02"), at("2026-11-07")
POLL = timedelta(hours=2)
NEWCOMER = "apikey_01Newcomer"
RULES = ("key_expires", "key_unused", "retired_key_used", "new_key", "workspace_without_limit")
SETTINGS = AlertSettings(rules=RULES, key_expires_days=2, key_unused_days=3)
BORN = START + DAY + 9 * HOUR
PROLONGED = START + 2 * DAY + 21 * HOUR
LIMITED = START + 2 * DAY + 9 * HOUR
# The history that the world begins with.
USAGE_DAYS = 2


@contextmanager
def days_of_keys(es: Elasticsearch, url: str) -> Iterator[tuple[Replay, Keys]]:
    """The five days, played."""
    with replay(
        es,
        url,
        start=START,
        alerts=SETTINGS,
        usage_every=POLL,
        limits_every=POLL,
        inventory=POLL,
        cost_every=None,
        usage_days=USAGE_DAYS,
        cost_days=USAGE_DAYS,
        series=16,
    ) as played:
        what = Keys(played)
        played.until(END)
        yield played, what


class Keys:
    """The edits, each of which holds from its own moment on, and what should be told of them."""

    def __init__(self, played: Replay) -> None:
        self.played, self.sim = played, played.w.simulation
        edits, organization = self.sim.edits, self.sim.organization()
        self.expiring = organization.key("notebooks").id
        self.idle = organization.key("eval-runner").id
        self.retired = organization.key("assistant-api").id
        self.free = list(self._free())
        newcomer = replace(organization.key("notebooks"), id=NEWCOMER, name="newcomer", created_at=BORN)
        edits.add_api_key(newcomer, at=BORN)
        expiry = START + 4 * DAY + 12 * HOUR
        edits.change_api_key(self.expiring, expires_at=expiry, at=START)
        edits.change_api_key(self.expiring, expires_at=None, at=PROLONGED)
        edits.vanish_usage(START, match={"api_key_id": self.idle}, span=30 * DAY, at=START)
        edits.change_api_key(self.retired, status="inactive", at=START + 9 * HOUR)
        group = organization.rate_limits[0].group_id
        edits.set_workspace_rate_limit(self.free[0], group, "requests_per_minute", 50, at=LIMITED)

    def incidents(self) -> list[Incident]:
        """What the rules should tell, each with the first moment at which the lists and reports showed it."""
        return [
            # From two days before the UTC day of its expiry.
            Incident("key_expires", "in two days", self.expiring, START + 2 * DAY),
            *self._unused(),
            # From the day after its retirement on.
            Incident("retired_key_used", "inactive", self.retired, START + DAY),
            Incident("new_key", "created", NEWCOMER, BORN),
            *(Incident("workspace_without_limit", "from the start", each, START) for each in self.free),
        ]

    def _free(self) -> Iterator[str]:
        """Active workspaces with use and without limits of their own, the default one left out."""
        organization = self.sim.organization(START)
        limited = {each.workspace_id for each in organization.overrides if each.limits}
        rows = self.sim.usage_rows(START - USAGE_DAYS * DAY, START, "1h", ("workspace_id",))
        used = {row["workspace_id"] for row in rows} - limited
        for each in organization.workspaces:
            if each.id in used and not each.default and each.archived_at is None:
                yield each.id

    def _unused(self) -> Iterator[Incident]:
        """Every active key, on the third UTC day after its last use."""
        begin = START - USAGE_DAYS * DAY
        used: dict[str, set[datetime]] = {}
        for row in self.sim.usage_rows(begin, END, "1h", ("api_key_id",)):
            used.setdefault(row["api_key_id"], set()).add(_day(row["starting_at"]))
        for key in self.sim.organization().api_keys:
            if key.status != "active":
                continue
            days = used.get(key.id, set()) | {_day(max(begin, key.created_at).isoformat())}
            for day in sorted(days):
                told = max(START, day + 3 * DAY)
                if told < END and not days & {day + DAY, day + 2 * DAY}:
                    yield Incident("key_unused", "for three days", key.id, told)


def _day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(hour=0, minute=0, second=0, microsecond=0)
