"""Thresholds out of an organization's own past: under them, no rule would have fired more than once a week.

Each rule is asked over the past with a threshold that everything passes. The rows are what it judged; the
threshold that fits is the lowest that lets it fire once a week at most, with a margin above it.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import yaml

from anthropic_metrics.alerts.catalog import concerned, every_rule, off_because
from anthropic_metrics.alerts.execute import Row, alerts, records, rows
from anthropic_metrics.alerts.organizations import NAME
from anthropic_metrics.alerts.rule import Limit, Rule
from anthropic_metrics.config import AlertSettings, BudgetSettings, Config
from anthropic_metrics.documents.base import AGENT_NAME
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.query import aggregate
from anthropic_metrics.errors import NoData
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.ranges import floor, from_milliseconds
from anthropic_metrics.telemetry.spans import expanded

WEEK, DAY = timedelta(days=7), timedelta(days=1)
# The next month is not quite like the last one.
MARGIN = 1.25
_DIGITS = 2
_MOST_PERCENT = 99
_INSTANT = timedelta(milliseconds=1)
# So many slices are asked for at once: every model of each has room in an answer.
_SLICES = 12
_SLICE = "slice"
_BY = re.compile(r"(\| STATS .* BY .*)")


@dataclass(frozen=True)
class Sample:
    """What a rule judged at one moment: the alert's id, and the figure that is held against the threshold."""

    at: datetime
    id: str
    value: float
    row: Row


@dataclass(frozen=True)
class Suggestion:
    """A threshold for one rule, and what the rule would have `fired` on under it.

    `value` None: no threshold fits, so the rule is better off. `samples` counts what was judged.
    """

    rule: Rule
    setting: str
    configured: float
    value: float | None
    fired: tuple[Sample, ...]
    samples: int


def suggestions(
    es: Client, config: Config, now: datetime, days: int, organization: str | None = None
) -> Iterator[Suggestion]:
    """A suggestion for each rule that is on and has a threshold; only reads. Raises MetricsError.

    Of several organizations from the past of all, or of the one that is named.
    """
    past: dict[str, list[Sample]] = {}
    on = [rule for rule in every_rule(config) if rule.limit and not off_because(rule, config)]
    if organization is not None:
        on = [rule for rule in on if rule.organization in ("", organization)]
    judged = [rule for rule in on if not _is_budget(rule, config)]
    for rule in judged:
        samples = history(es, rule, config, now, days)
        past[rule.key] = [
            sample for sample in samples if organization in (None, sample.row.get(NAME, organization))
        ]
    for rule in judged:
        limit = rule.limit
        assert limit is not None
        # Two rules may share one setting: it has to fit both.
        together = [
            past[other.key] for other in judged if other.limit and other.limit.setting == limit.setting
        ]
        configured = float(getattr(config.alerts, limit.setting))
        value = fitting(limit, together, configured)
        own = past[rule.key]
        fired = new_alerts(own, limit, value) if value is not None else ()
        yield Suggestion(rule, limit.setting, configured, value, tuple(fired), len(own))


def settings(config: Config, found: Iterable[Suggestion]) -> AlertSettings:
    """The configuration's alerts with the suggested thresholds, and without the rules that none fits."""
    found = list(found)
    values: dict[str, Any] = {}
    for each in found:
        if each.value is not None and each.samples:
            kind = type(getattr(config.alerts, each.setting))
            values[each.setting] = kind(each.value)
    off = {each.rule.key for each in found if each.value is None}
    kept = tuple(key for key in config.alerts.rules if key not in off)
    return config.alerts.model_copy(update={**values, "rules": kept})


def history(es: Client, rule: Rule, config: Config, now: datetime, days: int) -> Iterator[Sample]:
    """What the rule would have judged in the last `days` whole UTC days, whatever its threshold."""
    limit = rule.limit
    assert limit is not None
    settings = config.alerts.model_copy(update={limit.setting: 0 if limit.above else 101})
    loosest = _without_month_budgets(config).model_copy(update={"alerts": settings})
    (open_rule,) = (each for each in every_rule(loosest) if each.key == rule.key)
    midnight = floor(now, DAY)
    begin = midnight - timedelta(days=days)
    oldest = _oldest_call(es, config, begin, midnight) if rule.spans else None
    if rule.spans and oldest is None:
        return
    oldest = oldest or min(_oldest(es, dataset, config.namespace, now) for dataset in rule.reads)
    step = _SLICES * limit.step if limit.sliced else limit.step
    window = step if limit.sliced else DAY if limit.by_day else rule.window
    moment = max(begin, floor(oldest, DAY)) + step
    while moment <= midnight:
        # A window is closed at its end: a bucket that begins there is the next day's.
        at = moment - _INSTANT
        if limit.sliced:
            yield from _sliced(es, open_rule, limit, window, at)
        else:
            yield from _samples(es, open_rule, limit, window, at)
        moment += step


def _without_month_budgets(config: Config) -> Config:
    """The same, but for budgets that would take the place of the plain monthly limit."""

    def left(budgets: tuple[BudgetSettings, ...]) -> tuple[BudgetSettings, ...]:
        return tuple(budget for budget in budgets if not budget.is_months_whole)

    organizations = tuple(
        each if each.budgets is None else each.model_copy(update={"budgets": left(each.budgets)})
        for each in config.organizations
    )
    return config.model_copy(update={"budgets": left(config.budgets), "organizations": organizations})


def _oldest(es: Client, dataset: str, namespace: str, now: datetime) -> datetime:
    """The first document of the agent's in the stream; `now` where there is none."""
    answer = aggregate(
        es,
        stream_name(dataset, namespace),
        {"term": {"agent.name": AGENT_NAME}},
        {"oldest": {"min": {"field": "@timestamp"}}},
    )
    milliseconds = answer.get("oldest", {}).get("value")
    return now if milliseconds is None else from_milliseconds(milliseconds)


def _oldest_call(es: Client, config: Config, start: datetime, end: datetime) -> datetime | None:
    """When the first request of the range began that has a span."""
    query = expanded("FROM calls\n| STATS oldest = MIN(@timestamp)", stream_name(AGENT, config.namespace))
    try:
        _, ((oldest,),) = rows(es, query, end - start, end)
    except NoData:
        return None
    return None if oldest is None else datetime.fromisoformat(oldest)


def _sliced(es: Client, rule: Rule, limit: Limit, window: timedelta, at: datetime) -> Iterator[Sample]:
    """What the rule judged in each `limit.step` of the window."""
    minutes = limit.step // timedelta(minutes=1)
    query, count = _BY.subn(rf"\1, {_SLICE} = DATE_TRUNC({minutes} minutes, @timestamp)", rule.query)
    assert count == 1, rule.key
    slices: dict[str, list[Row]] = defaultdict(list)
    for row in _records(es, query, window, at):
        slices[row[_SLICE]].append(row)
    for begin, of_slice in slices.items():
        end = datetime.fromisoformat(begin) + limit.step
        yield from _judged(rule, limit, of_slice, end)


def _samples(es: Client, rule: Rule, limit: Limit, window: timedelta, at: datetime) -> Iterator[Sample]:
    yield from _judged(rule, limit, _records(es, rule.query, window, at), at)


def _records(es: Client, query: str, window: timedelta, at: datetime) -> list[Row]:
    """The rows of the query; none where a stream or a column of it does not exist."""
    try:
        return records(es, query, window, at)
    except NoData:
        return []


def _judged(rule: Rule, limit: Limit, judged: Iterable[Row], at: datetime) -> Iterator[Sample]:
    for alert in alerts(rule, judged):
        value = alert.row[limit.column]
        if value is not None:
            yield Sample(at, alert.id, float(value), alert.row)


def fitting(limit: Limit, past: Sequence[Sequence[Sample]], configured: float) -> float | None:
    """The threshold that fits each of these pasts; None where there is none.

    A percentage or a factor that is not too loud stays as it is configured; so does what has no past.
    """
    if not any(past) or (limit.unit != "amount" and all(_is_calm(each, limit, configured) for each in past)):
        return configured
    edges = [_edge(each, limit) for each in past if each]
    edge = max(edges) if limit.above else min(edges)
    if limit.unit == "amount":
        return _rounded(edge * MARGIN)
    if limit.unit == "factor":
        return _rounded(max(edge, 1.0) * MARGIN)
    if limit.above:
        return float(math.ceil(edge + (_MOST_PERCENT - edge) / 4)) if edge < _MOST_PERCENT else None
    return float(math.floor(edge / MARGIN)) if edge >= MARGIN else None


def new_alerts(past: Iterable[Sample], limit: Limit, threshold: float) -> list[Sample]:
    """What begins to be an alert under this threshold, in order; an alert that goes on is no new one."""
    by_id: dict[str, list[Sample]] = defaultdict(list)
    for sample in past:
        if (sample.value > threshold) if limit.above else (sample.value < threshold):
            by_id[sample.id].append(sample)
    begun = []
    for same in by_id.values():
        before: datetime | None = None
        for sample in sorted(same, key=lambda each: each.at):
            if before is None or sample.at - before > limit.step:
                begun.append(sample)
            before = sample.at
    return sorted(begun, key=lambda each: (each.at, each.id))


def _is_calm(past: Iterable[Sample], limit: Limit, threshold: float) -> bool:
    """Whether no seven days have more new alerts than the rule may have."""
    begun = [sample.at for sample in new_alerts(past, limit, threshold)]
    return not any(begun[n + limit.weekly] - begun[n] < WEEK for n in range(len(begun) - limit.weekly))


def _edge(past: Sequence[Sample], limit: Limit) -> float:
    """The last figure, from the extreme one on, under which the rule is still calm."""
    figures = sorted({sample.value for sample in past}, reverse=limit.above)
    edge = figures[0]
    for figure in figures:
        if not _is_calm(past, limit, figure):
            break
        edge = figure
    return edge


def _is_budget(rule: Rule, config: Config) -> bool:
    """Whether the user has decided on it already, as a budget."""
    if rule.limit is None or rule.limit.setting != "monthly_budget_usd":
        return False
    return all(each.month_budget is not None for each in concerned(rule, config))


def _rounded(value: float) -> float:
    """Up to two digits that count: nobody sets a threshold of 4,871.23."""
    if value <= 0:
        return 0.01
    place = 10.0 ** (math.floor(math.log10(value)) - _DIGITS + 1)
    return round(math.ceil(value / place - 1e-9) * place, 2)


def pasted(config: Config, found: Sequence[Suggestion]) -> str:
    """The suggested thresholds as YAML for the configuration; empty where there was nothing to judge."""
    suggested = settings(config, found)
    judged = {each.setting for each in found if each.samples}
    keys = {name: value for name, value in suggested if name in judged}
    if suggested.rules != config.alerts.rules:
        keys["rules"] = list(suggested.rules)
    if not keys:
        return ""
    text: str = yaml.safe_dump({"alerts": keys}, sort_keys=False, default_flow_style=None, width=100)
    return text.rstrip("\n")
