"""The table in docs/alerts.md: our rules and the rival's, as the replay heard them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.harness.alerts_replay import DAY, HOUR, Incident, Replay
from tests.harness.alerts_rival import PREFIX

DOCS = Path(__file__).parents[2] / "docs/alerts.md"
BEGIN, END = "<!-- replay: begin -->\n", "<!-- replay: end -->\n"

Played = tuple[Replay, Sequence[Incident]]


@dataclass
class Score:
    """What was heard of the incidents of one rule."""

    incidents: int = 0
    alerts: int = 0
    latest: timedelta = timedelta(0)
    theirs: int | None = None
    missed: bool = False


def table(played: Sequence[Played]) -> str:
    """One line per rule that incidents were made for."""
    scores: dict[str, Score] = {}
    for replay, incidents in played:
        for key in [each.key for each in replay.watched]:
            own = [incident for incident in incidents if incident.rule == key]
            if own:
                _count(scores.setdefault(key, Score()), replay, key, own)
    lines = [
        "| rule | incidents | ours: alerts | ours: latest after the API told "
        "| Elastic's: alerts | Elastic's |",
        "|---|---|---|---|---|---|",
        *(_line(key, score) for key, score in scores.items()),
    ]
    return "\n".join(lines) + "\n"


def _count(score: Score, replay: Replay, key: str, incidents: list[Incident]) -> None:
    score.incidents += len(incidents)
    for identity, times in replay.new(key).items():
        told = sorted(each.tells for each in incidents if each.id == identity)
        score.alerts += len(times)
        score.latest = max(score.latest, *(heard - moment for heard, moment in zip(times, told, strict=True)))
    if PREFIX + key in {each.key for each in replay.watched}:
        theirs = sorted(moment for moments in replay.new(PREFIX + key).values() for moment in moments)
        score.theirs = (score.theirs or 0) + len(theirs)
        score.missed |= not all(any(_belongs(moment, each) for moment in theirs) for each in incidents)


def _belongs(moment: datetime, incident: Incident) -> bool:
    """Whether an alert of theirs could be about it: from an hour before we could know, for a day."""
    return -HOUR <= moment - incident.tells <= DAY


def _line(key: str, score: Score) -> str:
    ours = f"| `{key}` | {score.incidents} | {score.alerts} | {_minutes(score.latest)} "
    if score.theirs is None:
        return f"{ours}| - | no such template |"
    return f"{ours}| {score.theirs} | {_verdict(score)} |"


def _verdict(score: Score) -> str:
    if not score.theirs:
        return "never fires"
    words = ["flaps: a new alert when a number moves"] if score.theirs > score.incidents else ["fires"]
    return ", ".join([*words, *(["misses some"] if score.missed else [])])


def _minutes(delay: timedelta) -> str:
    return f"{delay // timedelta(minutes=1)} min"


def written() -> str:
    """The table as the docs have it."""
    _, _, rest = DOCS.read_text("utf-8").partition(BEGIN)
    return rest.partition(END)[0]


def write(text: str) -> None:
    head, begin, rest = DOCS.read_text("utf-8").partition(BEGIN)
    DOCS.write_text(head + begin + text + END + rest.partition(END)[2], "utf-8")
