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
