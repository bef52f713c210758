"""One message about many alerts: what rules found when they were first evaluated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from anthropic_metrics.kernel.ranges import iso

# Discord takes no message above 2,000 characters; escaping and redaction may lengthen it.
_LONGEST = 1800
_ADVICE = (
    "They are recorded; new alerts and the ends of these are posted one by one.",
    "`anthropic-metrics alerts evaluate` lists them all, `anthropic-metrics alerts list` has the thresholds "
    "in force, and `anthropic-metrics alerts suggest` derives thresholds that fit.",
)


@dataclass(frozen=True)
class SummaryEntry:
    """What a summary says of one alert; `reason` is why it is over although its rule was not run."""

    rule: str
    organization: str
    is_open: bool
    reason: str = ""


def summary(alerts: Iterable[SummaryEntry], names: Mapping[str, str], now: datetime) -> dict[str, Any]:
    """The message: each rule with how many of its alerts are open and how many are over.

    `names` are the rules' names by their keys.
    """
    alerts = list(alerts)
    counts = Counter((alert.rule, alert.organization, alert.reason, alert.is_open) for alert in alerts)
    rules = [
        {
            "rule": rule,
            "name": names.get(rule, rule),
            **({"organization": organization} if organization else {}),
            "open": counts[rule, organization, reason, True],
            "over": counts[rule, organization, reason, False],
            **({"reason": reason} if reason else {}),
        }
        for rule, organization, reason in sorted(
            {(alert.rule, alert.organization, alert.reason) for alert in alerts}
        )
    ]
    open_ = sum(alert.is_open for alert in alerts)
    over = len(alerts) - open_
    gone = any(alert.reason for alert in alerts)
    after = "a change of the configuration" if gone else "the first evaluation"
    said = f"{_are(open_, over)} after {after} of {_many(len(rules), 'rule')}:"
    return {
        "event": "summary",
        "at": iso(now),
        "open": open_,
        "over": over,
        "rules": rules,
        "text": "\n".join([said, *_lines(rules), *_ADVICE]),
    }


def _are(open_: int, over: int) -> str:
    counts = [(open_, "open"), (over, "over")]
    said = [
        f"{_many(count, 'alert')} {'is' if count == 1 else 'are'} {what}" for count, what in counts if count
    ]
    return " and ".join(said)


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _lines(rules: list[dict[str, Any]]) -> list[str]:
    """A line for each rule, by its name or, in a long message, its key; what is still too long is counted."""
    for title in ("name", "rule"):
        lines = [_line(rule, title) for rule in rules]
        if sum(map(len, lines)) <= _LONGEST:
            return lines
    room, lines = _LONGEST, []
    for rule in rules:
        line = _line(rule, "rule")
        room -= len(line)
        if room < 0:
            break
        lines.append(line)
    rest = rules[len(lines) :]
    alerts = sum(rule["open"] + rule["over"] for rule in rest)
    return [*lines, f"- {_many(len(rest), 'more rule')}: {_many(alerts, 'alert')}"]


def _line(rule: dict[str, Any], title: str) -> str:
    name = rule["rule"] if title == "rule" else f"{rule['name']} ({rule['rule']})"
    whose = rule.get("organization", "")
    own = f"{whose}: " if whose and not rule["rule"].endswith(f", {whose}") else ""
    counts = ", ".join(f"{rule[what]} {what}" for what in ("open", "over") if rule[what])
    reason = f" ({rule['reason']})" if "reason" in rule else ""
    return f"- {own}{name}: {counts}{reason}"
