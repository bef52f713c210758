"""Which workspaces' limits a poll reads, and how long one round over all of them takes. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

# Workspaces read at one poll. With more of them each poll reads its share in turn, so that five hundred
# workspaces cost 20 requests a poll and none waits longer than 25 polls.
WORKSPACES_PER_POLL = 20
MANY_WORKSPACES = 500


def turns_of(workspaces: int, interval: timedelta, whole_round: timedelta) -> int:
    """How many polls a round over so many workspaces takes."""
    return max(1, -(-workspaces // WORKSPACES_PER_POLL), whole_round // interval)


def longest_round(interval: timedelta, whole_round: timedelta) -> timedelta:
    """How long a round over `MANY_WORKSPACES` takes."""
    return turns_of(MANY_WORKSPACES, interval, whole_round) * interval


def share(
    workspaces: list[str],
    last: datetime,
    now: datetime,
    interval: timedelta,
    whole_round: timedelta = timedelta(0),
) -> list[str]:
    """The workspaces whose turn has come since the poll at `last`, so that each has one in `whole_round`
    where that is long enough.

    The clock decides: each slot of the interval is a turn. A poll also takes the turns of slots that had
    none, because a poll came late or failed.
    """
    turns = turns_of(len(workspaces), interval, whole_round)
    slot, before = now.timestamp() // interval.total_seconds(), last.timestamp() // interval.total_seconds()
    # A second poll of a slot, or one after the clock was set back, takes its slot's turn.
    since = max(1, min(int(slot - before), turns))
    due = range(int(slot), int(slot) - since, -1)
    return [workspace for turn in due for workspace in workspaces[turn % turns :: turns]]
