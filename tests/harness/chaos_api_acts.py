"""What the Admin API can do to the agents: refuse, break, contradict itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import get_args

from anthropic_metrics.simulator import effects
from anthropic_metrics.simulator.analytics import Terms
from tests.harness.chaos_acts import Acts, event
from tests.harness.chaos_world import Chaos

ACTS: Acts = {}
REPORT_ACTS: Acts = {}
REPORTS = "*_report*"


@event(ACTS, 4)
def api_limited(world: Chaos, rng: Random) -> None:
    """429 in every form of its header; a storm of them now and then."""
    hint = rng.choice(get_args(effects.RetryHint))
    effect = effects.status(429, hint=hint, seconds=rng.choice((1, 7, 60, 1200)))
    world.server.faults.add(effect, nth=rng.randint(1, 6), times=rng.choice((1, 2, 30)))


@event(ACTS, 3)
def api_failing(world: Chaos, rng: Random) -> None:
    """5xx and 529, once or longer than the agent's patience."""
    effect = effects.status(rng.choice((500, 502, 503, 529)))
    world.server.faults.add(effect, nth=rng.randint(1, 6), times=rng.choice((1, 6, 12)))


@event(ACTS, 2)
def api_refusing(world: Chaos, rng: Random) -> None:
    """The key is refused for a while."""
    world.server.faults.add(effects.status(rng.choice((401, 403))), nth=rng.randint(1, 5), times=4)


@event(ACTS, 3)
def api_cut_off(world: Chaos, rng: Random) -> None:
    """The connection breaks before, within or after the answer; or half of it is all there is."""
    effect = rng.choice(
        (
            effects.reset,
            partial(effects.reset, "in_body"),
            partial(effects.reset, "after"),
            effects.truncated,
            effects.malformed,
            effects.wrong_content_type,
        )
    )()
    world.server.faults.add(effect, nth=rng.randint(1, 6), times=rng.choice((1, 3, 8)))


@event(ACTS, 3)
def api_emptied(world: Chaos, rng: Random) -> None:
    """A whole answer is empty once."""
    world.server.faults.add(effects.emptied(buckets=rng.random() < 0.7), REPORTS, nth=rng.randint(1, 3))
    world.lying = True


@event(ACTS, 2)
def api_contradicting(world: Chaos, rng: Random) -> None:
    """Answers that no API should give: the window is left alone."""
    effect = rng.choice(
        (
            effects.no_next_page(),
            effects.repeated_page(),
            effects.stuck_token(),
            effects.shifted_buckets(timedelta(days=rng.choice((-3, 3)))),
            effects.reversed_buckets(),
            effects.doubled_bucket(),
        )
    )
    world.server.faults.add(effect, REPORTS, nth=rng.randint(1, 3), times=rng.randint(1, 3))


@event(ACTS, 2)
def api_odd_but_legal(world: Chaos, rng: Random) -> None:
    effect = rng.choice((effects.empty_page(), effects.shuffled_rows(), effects.extra_field()))
    world.server.faults.add(effect, REPORTS, times=rng.randint(1, 4))


@event(ACTS, 2)
def api_bad_row(world: Chaos, rng: Random) -> None:
    """A row that cannot be read: it is skipped, and nothing is taken for vanished."""
    field = rng.choice(("output_tokens", "amount", "workspace_id"))
    world.server.faults.add(effects.bad_row(field, rng.choice((None, "many", -1, {}))), REPORTS, times=2)
    world.lying = True


@event(ACTS, 2)
def api_expired_token(world: Chaos, rng: Random) -> None:
    """Page tokens end in mid-window."""
    world.server.faults.add(effects.expired_token(), REPORTS, times=rng.randint(1, 3))


@event(ACTS, 1)
def api_lists_failing(world: Chaos, rng: Random) -> None:
    """The inventory and the limits are away, the reports are not."""
    path = rng.choice(("*/workspaces", "*/api_keys", "*/rate_limits", "*/me"))
    world.server.faults.add(effects.status(rng.choice((403, 404, 500))), path, times=None)


# --- the analytics reports


@event(REPORT_ACTS, 1)
def analytics_here(world: Chaos, rng: Random) -> None:
    """The organization has them; agents that believe that it has not begin anew, as a day later."""
    late = timedelta(hours=rng.choice((1, 4, 9)))
    world.server.behaviour.analytics = Terms(enrolled="on", lag=late, revised=rng.choice((0, 0.1, 0.4)))
    world.has_reports = True
    for runner in world.runners:
        runner.start()


@event(REPORT_ACTS, 3)
def analytics_revised(world: Chaos, rng: Random) -> None:
    """Rows come late, or go again; and how far they are loaded changes."""
    late = timedelta(hours=rng.choice((1, 4, 9, 20)))
    terms = world.server.behaviour.analytics
    world.server.behaviour.analytics = replace(terms, lag=late, revised=rng.choice((0, 0.2, 0.5)))


@event(REPORT_ACTS, 1)
def analytics_gone(world: Chaos, rng: Random) -> None:
    world.server.behaviour.analytics = Terms(enrolled=rng.choice(("off", "not_enrolled", "forbidden")))


@event(REPORT_ACTS, 3)
def analytics_unreadable(world: Chaos, rng: Random) -> None:
    """Either report, or both, cannot be read."""
    effect = rng.choice((effects.status(500), effects.malformed(), effects.truncated(), effects.status(429)))
    path = rng.choice(("*/analytics/*", "*/analytics/cost", "*/analytics/usage"))
    world.server.faults.add(effect, path, nth=rng.randint(1, 3), times=rng.choice((1, 8, 30)))
