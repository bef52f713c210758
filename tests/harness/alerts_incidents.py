"""Five bad days, as edits of the simulated organization, and what should be heard of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from anthropic_metrics.simulator import Simulation
from tests.harness.alerts_replay import DAY, HOUR, Replay, at, first_moment
from tests.harness.alerts_truth import (
    day_costs,
    floor,
    hit_percent,
    hour_tokens,
    is_far_above,
    largest_share,
    month_cost,
)

HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
MILLION = 1_000_000
START, END = at("2026-11-02"), at("2026-11-06T18:00")


@dataclass(frozen=True)
class Incident:
    """What happened, the one alert that it should make, and the first moment at which the API told it."""

    rule: str
    shape: str
    id: str
    tells: datetime


class Script:
    """Edits at their times; each takes effect, and is seen, no sooner than it is made."""

    def __init__(self, played: Replay) -> None:
        self.played = played
        self.sim: Simulation = played.w.simulation
        organization = self.sim.organization()
        self.production = organization.named("Production").id
        self.staging = organization.named("Staging").id
        self.support = organization.named("Customer Support").id
        self.key = organization.key("assistant-api").id
        self.bot = organization.key("helpdesk-bot").id
        self.group = organization.rate_limits[0].group_id
        template = organization.named("Staging")
        self.newcomer = replace(template, id="wrkspc_01Newcomer", name="Newcomer", tags={})
        self.limited = replace(template, id="wrkspc_01Limited", name="Limited", tags={})

    def play(self) -> None:
        self.played.until(END, self._steps())

    def _steps(self) -> list[tuple[datetime, Callable[[], object]]]:
        edits = self.sim.edits
        hourly_misses = [
            (
                at("2026-11-03T20:30") + n * HOUR,
                self._use(HAIKU, self.production, self.key, uncached_input_tokens=90 * MILLION),
            )
            for n in range(10)
        ]
        broken = [
            (
                at("2026-11-05T08:30") + n * HOUR,
                self._use(SONNET, self.support, self.bot, uncached_input_tokens=9 * MILLION),
            )
            for n in range(9)
        ]
        gone = {"model": SONNET, "workspace_id": self.support}
        quiet_models = [model for model in self.models() if model != HAIKU]
        return [
            # Tokens: in the last minute of an hour; growing over three hours; an hour's use that comes late.
            (
                at("2026-11-02T11:00"),
                lambda: self._add("2026-11-02T10:59", HAIKU, output_tokens=300 * MILLION),
            ),
            (
                at("2026-11-03T13:00"),
                lambda: edits.revise_usage(
                    at("2026-11-03T13:00"), factor=8, match={"model": HAIKU}, span=3 * HOUR
                ),
            ),
            (
                at("2026-11-04T12:20"),
                lambda: self._add("2026-11-04T09:30", OPUS, cache_read_input_tokens=400 * MILLION),
            ),
            # Cache: misses beside the usual traffic over midnight; everything suddenly uncached.
            *hourly_misses,
            (
                at("2026-11-05T08:00"),
                lambda: edits.vanish_usage(at("2026-11-05T08:00"), match=gone, span=9 * HOUR),
            ),
            *broken,
            # Dominance: the others all but stop for a night; one model's burst.
            *(
                (at("2026-11-05T20:00"), self._shrink(model, at("2026-11-05T20:00")))
                for model in quiet_models
            ),
            (
                at("2026-11-06T12:30"),
                lambda: self._add("2026-11-06T12:29", HAIKU, cache_read_input_tokens=12_000 * MILLION),
            ),
            # Money: known when the day ends; known only fourteen hours later; one workspace.
            (at("2026-11-02T12:00"), lambda: edits.revise_cost(at("2026-11-02"), factor=2.5)),
            (at("2026-11-04T14:00"), lambda: edits.revise_cost(at("2026-11-03"), factor=2.5)),
            (
                at("2026-11-04T20:00"),
                lambda: edits.revise_cost(at("2026-11-04"), factor=80, match={"workspace_id": self.staging}),
            ),
            # Two new workspaces, one of them with a limit from the start.
            (at("2026-11-03T10:00"), lambda: edits.add_workspace(self.newcomer)),
            (at("2026-11-03T10:00"), lambda: edits.add_workspace(self.limited)),
            (at("2026-11-03T10:05"), self._limit("wrkspc_01Limited")),
            (at("2026-11-03T12:00"), self._use(SONNET, "wrkspc_01Newcomer", None, output_tokens=MILLION)),
            (at("2026-11-03T12:00"), self._use(SONNET, "wrkspc_01Limited", None, output_tokens=MILLION)),
            (at("2026-11-05T09:00"), self._limit("wrkspc_01Newcomer")),
            # The Console, and a key that nobody knows.
            (at("2026-11-04T08:30"), self._use(HAIKU, None, None, uncached_input_tokens=30 * MILLION)),
            (
                at("2026-11-05T11:30"),
                self._use(HAIKU, None, "apikey_01Stranger", uncached_input_tokens=25 * MILLION),
            ),
            # The agent stops; later its key is refused.
            (at("2026-11-06T02:05"), lambda: setattr(self.played, "polling", False)),
            (at("2026-11-06T04:00"), lambda: setattr(self.played, "polling", True)),
            (at("2026-11-06T08:05"), self.played.w.server.admin_keys.clear),
            (at("2026-11-06T10:00"), lambda: self.played.w.server.admin_keys.add(self._admin_key)),
        ]

    @property
    def _admin_key(self) -> str:
        key = self.played.w.config.anthropic.admin_key
        assert key is not None
        return key.get_secret_value()

    def models(self) -> list[str]:
        return sorted({str(each.dimensions[2]) for each in self.sim.series})

    def _use(
        self, model: str, workspace: str | None, key: str | None, **numbers: int
    ) -> Callable[[], object]:
        """Use in the minute before now."""

        def make() -> object:
            minute = self.played.w.clock.now() - timedelta(minutes=1)
            dimensions = {"model": model, "workspace_id": workspace, "api_key_id": key}
            return self.sim.edits.add_usage(minute, dimensions, numbers)

        return make

    def _add(self, minute: str, model: str, **numbers: int) -> object:
        """Use of a past minute that is seen from now on."""
        dimensions = {"model": model, "workspace_id": self.production, "api_key_id": self.key}
        return self.sim.edits.add_usage(at(minute), dimensions, numbers, at=self.played.w.clock.now())

    def _shrink(self, model: str, start: datetime) -> Callable[[], object]:
        return lambda: self.sim.edits.revise_usage(start, factor=0.02, match={"model": model}, span=11 * HOUR)

    def _limit(self, workspace: str) -> Callable[[], object]:
        return lambda: self.sim.edits.set_workspace_rate_limit(
            workspace, self.group, "requests_per_minute", 50
        )


def incidents(script: Script) -> list[Incident]:
    """Every incident; the moments are read from what the simulated API showed at the time."""
    return [
        *_tokens(script),
        *_cache(script),
        *_dominance(script),
        *_money(script),
        *_month(script),
        Incident("new_workspace", "spends, has no limit", "wrkspc_01Newcomer", at("2026-11-04")),
        Incident("unattributed_usage", "the Console", "2026-11-04,Console", at("2026-11-04T09:00")),
        Incident(
            "unattributed_usage", "a key nobody knows", "2026-11-05,apikey_01Stranger", at("2026-11-05T12:00")
        ),
        *_silence(script),
    ]


def _tokens(script: Script) -> list[Incident]:
    """From the truth as it is at the end: every hour and model above the limit, whatever brought it there."""
    limit, sim = script.played.w.config.alerts.hourly_tokens, script.sim
    found = []
    for n in range((END - START) // HOUR):
        start = START + n * HOUR
        for model in script.models():

            def tells(moment: datetime, start: datetime = start, model: str = model) -> bool:
                return hour_tokens(sim, start, model, moment) > limit

            if tells(END):
                told = first_moment(start + HOUR, start + 5 * HOUR, tells)
                name = f"{start:%Y-%m-%dT%H:%M}Z"
                found.append(Incident("token_spike", name, f"{name},{model}", told))
    return found


def _cache(script: Script) -> list[Incident]:
    limit = script.played.w.config.alerts.cache_hit_percent

    def misses(workspace: str, model: str) -> Callable[[datetime], bool]:
        return lambda moment: hit_percent(script.sim, workspace, model, moment) < limit

    shapes = [
        ("misses over midnight", at("2026-11-03T20:00"), script.production, HAIKU),
        ("suddenly uncached", at("2026-11-05T08:00"), script.support, SONNET),
    ]
    return [
        Incident(
            "cache_hit_rate",
            shape,
            f"{workspace},{model}",
            first_moment(start, start + 12 * HOUR, misses(workspace, model)),
        )
        for shape, start, workspace, model in shapes
    ]


def _dominance(script: Script) -> list[Incident]:
    limit = script.played.w.config.alerts.dominance_percent

    def tells(moment: datetime) -> bool:
        model, share = largest_share(script.sim, moment)
        return model == HAIKU and share > limit

    return [
        Incident("model_dominance", shape, HAIKU, first_moment(at(start), at(start) + 12 * HOUR, tells))
        for shape, start in (("the others stop", "2026-11-05T20:00"), ("burst", "2026-11-06T12:30"))
    ]


def _money(script: Script) -> list[Incident]:
    """From the truth as it is at the end: every day and workspace above a limit, whoever brought it there."""
    alerts, sim = script.played.w.config.alerts, script.sim
    found = []
    for n in range(-1, 4):
        day = START + n * DAY
        name = f"{day:%Y-%m-%d}"

        def whole(moment: datetime, day: datetime = day) -> bool:
            return sum(day_costs(sim, day, moment).values()) > alerts.daily_cost_usd

        if whole(END):
            found.append(Incident("daily_cost", name, name, _told(whole, day)))
        for workspace in day_costs(sim, day, END):

            def own(moment: datetime, day: datetime = day, workspace: str = workspace) -> bool:
                return day_costs(sim, day, moment)[workspace] > alerts.workspace_daily_cost_usd

            def above(moment: datetime, day: datetime = day, workspace: str = workspace) -> bool:
                factor, least = alerts.baseline_factor, alerts.baseline_floor_usd
                return is_far_above(sim, day, workspace, moment, factor, least)

            if own(END):
                found.append(Incident("workspace_daily_cost", name, f"{name},{workspace}", _told(own, day)))
            if above(END):
                found.append(Incident("workspace_baseline", name, f"{name},{workspace}", _told(above, day)))
    return found


def _month(script: Script) -> list[Incident]:
    """The month before is over its limit and still judged; this one passes it; both could be foreseen."""
    limit = script.played.w.config.alerts.monthly_budget_usd

    def passed(moment: datetime) -> bool:
        return month_cost(script.sim, MONTH_END, floor(moment, DAY), moment) > limit

    return [
        Incident("monthly_budget", "the month before", "2026-10", START),
        Incident("monthly_budget", "in the month's first week", "2026-11", _told(passed, START)),
        Incident("month_end_forecast", "from the start", "2026-11", START),
    ]


def _told(tells: Callable[[datetime], bool], day: datetime) -> datetime:
    """Costs change at full hours here: by the hour, then."""
    moment = day + DAY
    while not tells(moment):
        moment += HOUR
    return moment


@dataclass(frozen=True)
class MonthEnd:
    """A month whose budget is only passed with its last day, the 31st, because of one dear day before."""

    budget_usd: float
    dear_day: datetime
    months_cost_usd: float


MONTH, MONTH_END = at("2026-10-01"), at("2026-11-01")


def month_end(sim: Simulation) -> MonthEnd:
    """Make 28 October dear, and a budget that the month's other days do not reach without the last."""
    dear = at("2026-10-28")
    sim.edits.revise_cost(dear, factor=6)
    whole = month_cost(sim, MONTH, MONTH_END, MONTH_END)
    last = month_cost(sim, MONTH_END - DAY, MONTH_END, MONTH_END)
    return MonthEnd(round(whole - 0.9 * last, 2), dear, whole)


def _silence(script: Script) -> list[Incident]:
    """Three intervals after the last poll that succeeded."""
    usage = script.played.w.stream("usage")
    every = script.played.w.config.usage.interval
    return [
        Incident("no_fresh_data", "agent stopped", usage, at("2026-11-06T01:55") + 3 * every),
        Incident("no_fresh_data", "key refused", usage, at("2026-11-06T07:55") + 3 * every),
    ]
