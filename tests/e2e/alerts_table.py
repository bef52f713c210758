"""The table in docs/alerts.md: our rules and the rival's, as the replay heard them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from alerts_incidents import Incident
from alerts_replay import Replay
from alerts_rival import PREFIX

DOCS = Path(__file__).parents[2] / "docs/alerts.md"
BEGIN, END = "<!-- replay: begin -->\n", "<!-- replay: end -->\n"

Played = tuple[Replay, Sequence[Incident]]


def table(played: Sequence[Played]) -> str:
    """One line per rule that incidents were made for."""
    lines = [
        "| rule | incidents | ours: alerts | ours: latest after the API told | Elastic's: alerts | verdict |",
        "|---|---|---|---|---|---|",
    ]
    for replay, incidents in played:
        for key in [each.key for each in replay.watched]:
            own = [incident for incident in incidents if incident.rule == key]
            if own:
                lines.append(_line(replay, key, own))
    return "\n".join(lines) + "\n"


def _line(replay: Replay, key: str, incidents: list[Incident]) -> str:
    began = replay.new(key)
    alerts = sum(map(len, began.values()))
    late = max(_delays(began, incidents))
    theirs = PREFIX + key
    if theirs not in {each.key for each in replay.watched}:
        return f"| `{key}` | {len(incidents)} | {alerts} | {_minutes(late)} | - | no such template |"
    rival = replay.new(theirs)
    times = sorted(moment for moments in rival.values() for moment in moments)
    verdict = _verdict(len(times), incidents)
    return f"| `{key}` | {len(incidents)} | {alerts} | {_minutes(late)} | {len(times)} | {verdict} |"


def _verdict(alerts: int, incidents: list[Incident]) -> str:
    if not alerts:
        return "never fires"
    return "flaps: a new alert whenever a number moves" if alerts > len(incidents) else "fires"


def _delays(began: dict[str, list], incidents: list[Incident]) -> list[timedelta]:  # type: ignore[type-arg]
    found = []
    for identity, times in began.items():
        told = sorted(each.tells for each in incidents if each.id == identity)
        found += [heard - moment for heard, moment in zip(times, told, strict=False)]
    return found


def _minutes(delay: timedelta) -> str:
    return f"{delay // timedelta(minutes=1)} min"


def written() -> str:
    """The table as the docs have it."""
    _, _, rest = DOCS.read_text("utf-8").partition(BEGIN)
    return rest.partition(END)[0]


def write(text: str) -> None:
    head, begin, rest = DOCS.read_text("utf-8").partition(BEGIN)
    DOCS.write_text(head + begin + text + END + rest.partition(END)[2], "utf-8")
