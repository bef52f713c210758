"""Five bad days, as edits of the simulated organization."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from anthropic_metrics.simulator import Simulation
from tests.harness.alerts_replay import HOUR, Replay, at

HAIKU, SONNET, OPUS = "claude-haiku-5-5", "claude-sonnet-5-5", "claude-opus-5-5"
MILLION = 1_000_000
START, END = at("2026-11-02"), at("2026-11-06T18:00")

Step = tuple[datetime, Callable[[], object]]


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

    def _steps(self) -> list[Step]:
        return [
            *self._tokens(),
            *self._cache(),
            *self._dominance(),
            *self._money(),
            *self._workspaces(),
            *self._unattributed(),
            *self._silence(),
        ]

    def _tokens(self) -> list[Step]:
        """In the last minute of an hour; growing over three hours; an hour's use that comes late."""
        grown = at("2026-11-03T13:00")
        return [
            (
                at("2026-11-02T11:00"),
                lambda: self._add("2026-11-02T10:59", HAIKU, output_tokens=300 * MILLION),
            ),
            (
                grown,
                lambda: self.sim.edits.revise_usage(grown, factor=8, match={"model": HAIKU}, span=3 * HOUR),
            ),
            (
                at("2026-11-04T12:20"),
                lambda: self._add("2026-11-04T09:30", OPUS, cache_read_input_tokens=400 * MILLION),
            ),
        ]

    def _cache(self) -> list[Step]:
        """Misses beside the usual traffic over midnight; everything suddenly uncached."""
        gone = {"model": SONNET, "workspace_id": self.support}
        from_morning = at("2026-11-05T08:00")
        misses = self._use(HAIKU, self.production, self.key, uncached_input_tokens=90 * MILLION)
        broken = self._use(SONNET, self.support, self.bot, uncached_input_tokens=9 * MILLION)
        return [
            *((at("2026-11-03T20:30") + n * HOUR, misses) for n in range(10)),
            (from_morning, lambda: self.sim.edits.vanish_usage(from_morning, match=gone, span=9 * HOUR)),
            *((at("2026-11-05T08:30") + n * HOUR, broken) for n in range(9)),
        ]

    def _dominance(self) -> list[Step]:
        """The others all but stop for a night; one model's burst."""
        night = at("2026-11-05T20:00")
        quiet_models = [model for model in self.models() if model != HAIKU]
        return [
            *((night, self._shrink(model, night)) for model in quiet_models),
            (
                at("2026-11-06T12:30"),
                lambda: self._add("2026-11-06T12:29", HAIKU, cache_read_input_tokens=12_000 * MILLION),
            ),
        ]

    def _money(self) -> list[Step]:
        """Known when the day ends; known only fourteen hours later; one workspace."""
        edits, staging = self.sim.edits, {"workspace_id": self.staging}
        return [
            (at("2026-11-02T12:00"), lambda: edits.revise_cost(at("2026-11-02"), factor=2.5)),
            (at("2026-11-04T14:00"), lambda: edits.revise_cost(at("2026-11-03"), factor=2.5)),
            (
                at("2026-11-04T20:00"),
                lambda: edits.revise_cost(at("2026-11-04"), factor=80, match=staging),
            ),
        ]

    def _workspaces(self) -> list[Step]:
        """Two new ones, one of them with a limit from the start."""
        born, used = at("2026-11-03T10:00"), at("2026-11-03T12:00")
        return [
            (born, lambda: self.sim.edits.add_workspace(self.newcomer)),
            (born, lambda: self.sim.edits.add_workspace(self.limited)),
            (at("2026-11-03T10:05"), self._limit("wrkspc_01Limited")),
            (used, self._use(SONNET, "wrkspc_01Newcomer", None, output_tokens=MILLION)),
            (used, self._use(SONNET, "wrkspc_01Limited", None, output_tokens=MILLION)),
            (at("2026-11-05T09:00"), self._limit("wrkspc_01Newcomer")),
        ]

    def _unattributed(self) -> list[Step]:
        """The Console, and a key that nobody knows."""
        return [
            (at("2026-11-04T08:30"), self._use(HAIKU, None, None, uncached_input_tokens=30 * MILLION)),
            (
                at("2026-11-05T11:30"),
                self._use(HAIKU, None, "apikey_01Stranger", uncached_input_tokens=25 * MILLION),
            ),
        ]

    def _silence(self) -> list[Step]:
        """The agent stops; later its key is refused."""
        return [
            (at("2026-11-06T02:05"), lambda: setattr(self.played, "polling", False)),
            (at("2026-11-06T03:55"), lambda: setattr(self.played, "polling", True)),
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
