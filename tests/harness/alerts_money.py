"""A day of dollars: a runaway key, a new one, a model without a price, a price change; and what they cost.

The truth is each request at its list price, which is what the simulated bill is made of. The runaway's hours
are so expensive that the few tenths of a per cent by which an estimate may be off decide nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from itertools import product
from statistics import median

from elasticsearch import Elasticsearch

from anthropic_metrics.config import AlertSettings, Config
from anthropic_metrics.kernel.ranges import floor
from anthropic_metrics.simulator import Simulation
from anthropic_metrics.simulator.clock import epoch, moment
from anthropic_metrics.simulator.organization import SpendLimit
from anthropic_metrics.simulator.prices import MODELS, TOKEN_TYPES, WEB_SEARCH_CENTS
from anthropic_metrics.simulator.series import DIMENSIONS
from tests.harness.alerts_replay import DAY, HOUR, Incident, Replay, at
from tests.harness.alerts_world import ours, replay
from tests.harness.spend_truth import BILLED, token_type_cents

FIRST, START, END = at("2026-11-01"), at("2026-11-16T22:00"), at("2026-11-18T04:00")
TODAY, RUNAWAY = at("2026-11-17"), at("2026-11-17T09:00")
# A price that changed before the replay; the first day that has it settles in it.
CHANGED, CHANGED_ON, SETTLES, FACTOR = "claude-sonnet-5-5", at("2026-11-14"), at("2026-11-17"), 1.5
DEAR, UNPRICED, NEWCOMER = "claude-opus-5-5", "claude-of-tomorrow", "apikey_01Newcomer"
RULES = (
    "monthly_budget",
    "spend_spike",
    "daily_spend",
    "key_begins_to_spend",
    "unpriced_model",
    "estimate_drift",
    "spend_limit",
)
# Those that judge what is used, rather than a sum of a month or a check.
RULES_OF_USE = ("spend_spike", "daily_spend", "key_begins_to_spend", "unpriced_model")
LEVELS = (50, 75, 90, 100)
SHOWN = timedelta(minutes=31)

POLL = timedelta(minutes=30)

Hours = dict[tuple[datetime, str], tuple[float, float]]


@contextmanager
def runaway_day(es: Elasticsearch, url: str) -> Iterator[tuple[Replay, Money]]:
    """The day, played."""
    with replay(
        es,
        url,
        start=START,
        alerts=AlertSettings(rules=()),
        usage_every=POLL,
        usage_days=16,
        cost_days=16,
        spend=True,
        series=16,
    ) as played:
        what = Money(played)
        played.watched = ours(what.config())
        what.play()
        yield played, what


class Money:
    """The day's script, the limits that it passes, and its incidents.

    The second hour of the runaway passes the month's budget; the first one brings the Console's limit near,
    the third one reaches it.
    """

    def __init__(self, played: Replay) -> None:
        self.played, self.sim = played, played.w.simulation
        self.key = self.sim.organization().key("notebooks")
        for n in range((END - CHANGED_ON) // DAY + 1):
            self.sim.edits.revise_cost(
                CHANGED_ON + n * DAY, factor=FACTOR, match={"model": CHANGED}, at=FIRST
            )
        self._hours = hours(self.sim)
        usual = max(self.spent(FIRST + n * DAY, FIRST + (n + 1) * DAY, SETTLES) for n in range(16))
        before = self.spent(FIRST, END, RUNAWAY)
        self.hour_usd = 2 * usual
        self.day_budget_usd = round(self.spent(TODAY, END, RUNAWAY - HOUR), 2)
        self.console_usd = round(before + 2.5 * self.hour_usd)
        self.settings = AlertSettings(
            rules=RULES,
            daily_cost_usd=round(1.5 * usual, 2),
            monthly_budget_usd=round(before + 1.5 * self.hour_usd, 2),
            spend_limit_percent=int(100 * (before + 0.5 * self.hour_usd) / self.console_usd),
        )
        limit = SpendLimit("spl_01Test", f"{self.console_usd * 100}", None, "monthly", FIRST)
        self.sim.edits.change(lambda organization: replace(organization, spend_limits=(limit,)), at=FIRST)

    def config(self) -> Config:
        """The played configuration under these limits, with a budget that the morning uses up."""
        given = {"budgets": [{"name": "day", "usd": self.day_budget_usd, "period": "daily"}]}
        budgets = Config.model_validate(given).budgets
        return self.played.w.config.model_copy(update={"alerts": self.settings, "budgets": budgets})

    def play(self) -> None:
        edits, born = self.sim.edits, at("2026-11-17T12:00")
        newcomer = replace(self.key, id=NEWCOMER, name="newcomer", created_at=born)
        uses = [
            *((RUNAWAY + n * HOUR, DEAR, self.key.id, self.hour_usd) for n in range(3)),
            (at("2026-11-17T13:00"), DEAR, NEWCOMER, 5.0),
            (at("2026-11-18T01:00"), UNPRICED, self.key.id, 20.0),
        ]
        steps = [(hour + SHOWN, self._use(model, key, usd)) for hour, model, key, usd in uses]
        self.played.until(END, [(born, lambda: edits.add_api_key(newcomer)), *steps])
        self._hours = hours(self.sim)

    def _use(self, model: str, key: str, usd: float) -> Callable[[], object]:
        """Output of the minute before now, as much as the expensive model sells for it."""
        tokens = int(usd * 1_000_000 / float(MODELS[DEAR].price("output_tokens", "0-200k")))
        dimensions = {"model": model, "workspace_id": self.key.workspace_id, "api_key_id": key}
        return lambda: self.sim.edits.add_usage(
            self.played.w.clock.now() - timedelta(minutes=1), dimensions, {"output_tokens": tokens}
        )

    def incidents(self) -> list[Incident]:
        """What the rules should tell, each with the hour that shows it."""
        settings, month = self.settings, "2026-11"
        limit = f"limit: organization,{FIRST:%Y-%m-%d}"
        near = settings.spend_limit_percent / 100 * self.console_usd
        budget, daily = settings.monthly_budget_usd, settings.daily_cost_usd

        def passes(start: datetime, usd: float) -> datetime:
            told = _first(partial(self._reaches, start, END, usd))
            assert told is not None
            return told

        return [
            Incident("monthly_budget", "by the running figure", month, passes(FIRST, budget)),
            *self._spikes(),
            Incident("daily_spend", "in its hour", f"{TODAY:%Y-%m-%d}", passes(TODAY, daily)),
            Incident("key_begins_to_spend", "a new key", NEWCOMER, at("2026-11-17T14:00")),
            Incident("unpriced_model", "unknown", UNPRICED, at("2026-11-18T02:00")),
            Incident("estimate_drift", "a price change", f"{CHANGED_ON:%Y-%m-%d}", SETTLES),
            Incident("spend_limit", "near", f"{limit},{settings.spend_limit_percent}", passes(FIRST, near)),
            Incident("spend_limit", "reached", f"{limit},100", passes(FIRST, self.console_usd)),
        ]

    def day_levels(self) -> list[Incident]:
        """What the day's budget should tell: each level, in the hour that reaches it."""
        days = [TODAY + n * DAY for n in range(-4, 2)]
        return [
            Incident("budget day", f"{level} %", f"{day:%Y-%m-%d},{level}", told)
            for day, level in product(days, LEVELS)
            if (told := _first(partial(self._reaches, day, day + DAY, self.day_budget_usd * level / 100)))
        ]

    def spent(self, start: datetime, end: datetime, now: datetime) -> float:
        """What the hours in [start, end) that have ended by `now` cost, as it is known then."""
        return sum(
            usd + changed * _factor(hour, now)
            for (hour, _), (usd, changed) in self._hours.items()
            if start <= hour < end and hour + HOUR <= now
        )

    def _reaches(self, start: datetime, end: datetime, usd: float, now: datetime) -> bool:
        return self.spent(start, end, now) >= usd

    def _spikes(self) -> Iterator[Incident]:
        days = [TODAY - DAY, TODAY, TODAY + DAY]
        for key, day in product(sorted({key for _, key in self._hours}), days):
            if (told := _first(partial(self._spikes_at, key, day))) is not None:
                yield Incident("spend_spike", "a runaway key", f"{day:%Y-%m-%d},{key}", told)

    def _spikes_at(self, key: str, day: datetime, now: datetime) -> bool:
        judged = floor(now - 5 * HOUR, DAY)
        peaks: dict[datetime, float] = defaultdict(float)
        for (hour, whose), (usd, changed) in self._hours.items():
            if whose == key and hour + HOUR <= now and hour >= judged - 7 * DAY:
                cost = usd + changed * _factor(hour, now)
                peaks[floor(hour, DAY)] = max(peaks[floor(hour, DAY)], cost)
        before = [cost for each, cost in peaks.items() if each < judged and cost]
        if day < judged or len(before) < 5:
            return False
        usual, least = median(before), self.settings.spike_floor_usd
        return peaks[day] > self.settings.spike_factor * usual and peaks[day] - usual > least


def hours(sim: Simulation) -> Hours:
    """By hour and key the dollars at list prices, and those of the model whose price changes."""
    found: dict[tuple[datetime, str], tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
    for begin, cells in sim.usage_cells(int(epoch(FIRST)), int(epoch(END)), 3600, None):
        for dimensions, cell in zip(sim.edits.dimensions, cells, strict=False):
            values = dict(zip(DIMENSIONS, dimensions, strict=True))
            if cell is None or values["service_tier"] not in BILLED or values["model"] not in MODELS:
                continue
            cents = sum(
                float(token_type_cents(values, *each)) for each in zip(TOKEN_TYPES, cell, strict=False)
            )
            tokens = cents / 100
            place = (moment(begin), values["api_key_id"] or "Console")
            usd, changed = found[place]
            usd += float(cell[5] * WEB_SEARCH_CENTS) / 100
            is_changed = values["model"] == CHANGED
            found[place] = (usd, changed + tokens) if is_changed else (usd + tokens, changed)
    return dict(found)


def _factor(hour: datetime, now: datetime) -> float:
    """A new price is known with the first settled day that has it."""
    return FACTOR if hour >= CHANGED_ON and now >= SETTLES else 1.0


def _first(tells: Callable[[datetime], bool]) -> datetime | None:
    """The first full hour of the replay at which it holds: hours are shown when they end."""
    moments = (START + n * HOUR for n in range((END - START) // HOUR))
    return next((moment for moment in moments if tells(moment)), None)
