"""The world that the dashboards are asked about, and how its panels are asked and compared."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from pydantic import SecretStr

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.config import Backfill, UsageSettings
from anthropic_metrics.config.budgets import BudgetSettings, old_budgets
from anthropic_metrics.config.people import PeopleSettings
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kibana.ask import Answer, ask, since
from anthropic_metrics.kibana.definitions import load_bundle
from anthropic_metrics.simulator.analytics import Enrolled, Terms
from anthropic_metrics.simulator.destinations import destination
from anthropic_metrics.simulator.spans import Spans
from tests.harness import traces
from tests.harness.dashboard_truth import BILL_KINDS, DAY, USAGE_KINDS, Row, Truth, by, day_of, truth
from tests.harness.world import World, attempt, world

NOW = datetime(2026, 10, 6, 15, 42, 10, tzinfo=UTC)
LOOKED_BEFORE = timedelta(days=2)
USAGE_DAYS = timedelta(days=14)
BUDGETS = (
    *old_budgets(organization_usd=2000, workspaces={"Production": 100, "Default": 50, "Unused": 30}),
    BudgetSettings(name="batch tokens", tokens=10**12),
)
# Lines that the bill lacks: model and UTC day; None is the whole bill of the day.
UNBILLED = (
    ("claude-haiku-4-5-20251001", NOW - timedelta(days=1)),
    ("claude-haiku-4-5-20251001", NOW - timedelta(days=4)),
    ("claude-haiku-4-5-20251001", NOW - timedelta(days=5)),
    ("claude-opus-5-5", NOW - timedelta(days=5)),
    (None, NOW - timedelta(days=6)),
)
# The hour with spans, one whose usage is in the report: some minutes in either layout.
TRACED_HOUR = NOW.replace(hour=14, minute=0, second=0)
TRACED = {
    "otel": (TRACED_HOUR, TRACED_HOUR + timedelta(minutes=10)),
    "apm": (TRACED_HOUR + timedelta(minutes=10), TRACED_HOUR + timedelta(minutes=20)),
}
BUNDLE = load_bundle()
PANELS = {
    f"{dashboard.name}: {panel.title}": (dashboard, panel)
    for dashboard in BUNDLE.dashboards
    for panel in dashboard.queried()
}
CHOICES: dict[str, dict[str, list[str]]] = {
    "everything": {},
    "a workspace": {"anthropic.workspace.name": ["Production"]},
    "a model": {"anthropic.model": ["claude-opus-5-5"]},
    "both": {
        "anthropic.workspace.name": ["Data Science", "Default"],
        "anthropic.model": ["claude-sonnet-5-5", "claude-haiku-5-5"],
    },
}
# The dashboards that have a choice of keys; Console is use without one.
KEY_CHOICES: dict[str, dict[str, list[str]]] = {
    "a key": {"anthropic.api_key.name": ["assistant-api"]},
    "keys and a model": {
        "anthropic.api_key.name": ["Console", "notebooks", "nightly-batch"],
        "anthropic.model": ["claude-opus-5-5", "claude-haiku-4-5-20251001"],
    },
}
TOKEN_CHOICES = CHOICES | KEY_CHOICES
each_choice = pytest.mark.parametrize("chosen", CHOICES.values(), ids=CHOICES)
each_token_choice = pytest.mark.parametrize("chosen", TOKEN_CHOICES.values(), ids=TOKEN_CHOICES)


@contextmanager
def filled_world(es: Elasticsearch, url: str) -> Iterator[World]:
    """Five weeks of costs, less UNBILLED, seen two days before the end and at the end; two weeks of usage."""
    usage = UsageSettings(minute_backfill=timedelta(minutes=30))
    with world(
        es,
        url,
        f"t{uuid.uuid4().hex[:8]}",
        now=NOW - LOOKED_BEFORE,
        days=33,
        usage=usage,
        arrivals="usual",
        revisions="usual",
    ) as w:
        for model, day in UNBILLED:
            w.simulation.edits.vanish_cost(day, match={"model": model} if model else {})
        with pytest.MonkeyPatch.context() as patch:
            for name in os.environ:
                if name.lower().endswith("_proxy"):
                    patch.delenv(name)
            with w.agent() as agent:
                jobs = agent.organization.whole(agent.sink)
                attempt(agent, [job for job in jobs if job.poller in ("cost", "inventory")])
            # A change of the inventory.
            template = w.simulation.organization().key("notebooks")
            w.simulation.edits.add_api_key(replace(template, id="apikey_01Fresh", name="fresh"))
            w.config = w.config.model_copy(update={"backfill": Backfill(USAGE_DAYS), "budgets": BUDGETS})
            w.simulation.destinations = [
                destination("production"),
                destination("old", state="disabled"),
            ]
            w.clock.advance(LOOKED_BEFORE)
            w.once()
            _add_people(w)
        es.indices.refresh(index=f"metrics-anthropic_metrics.*-{w.config.namespace}")
        for layout, (start, end) in TRACED.items():
            traces.load(es, w.config.namespace, layout, Spans(w.simulation).delivered(start, end))
        yield w


def _add_people(w: World) -> None:
    """Three days of people that are billed, and three before of which only the Claude Code report knows."""
    people = PeopleSettings(enabled=True, salt=SecretStr("a salt for tests only, long enough"))
    config, today = w.config.model_copy(update={"people": people}), day_of(NOW)
    parts: tuple[tuple[Enrolled, datetime], ...] = (("on", today), ("off", today - 3 * DAY))
    for enrolled, end in parts:
        w.server.behaviour.analytics = Terms(enrolled)
        with Agent(config, clock=w.clock.now) as agent:
            jobs = agent.organization.older(agent.sink, Range(end - 3 * DAY, end))
            attempt(agent, [job for job in jobs if job.poller == "people"])


def asked(
    w: World,
    name: str,
    chosen: Mapping[str, Sequence[str]] | None = None,
    start: datetime | None = None,
    end: datetime = NOW,
) -> Answer:
    dashboard, panel = PANELS[name]
    begin = start or since(dashboard.range, end)
    return ask(w.es, panel.query, begin, end, namespace=w.config.namespace, chosen=chosen)


def said(w: World, name: str, chosen: Mapping[str, Sequence[str]] | None = None, **of: Any) -> Row:
    """The one row of a metric."""
    (row,) = asked(w, name, chosen, **of).records()
    return row


def expected(w: World, name: str, chosen: Mapping[str, Sequence[str]] | None = None) -> Truth:
    """The truth of a panel's own range."""
    t = truth(w, since(PANELS[name][0].range, NOW), NOW, chosen)
    return replace(t, usage=[row for row in t.usage if row["time"] >= day_of(NOW - USAGE_DAYS)])


def assert_equal(found: Mapping[Any, Any], wanted: Mapping[Any, Any]) -> None:
    """The same keys; tokens the same, dollars the same to a thousandth of a cent."""
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        if isinstance(value, Decimal):
            assert abs(Decimal(found[key]) - value) < Decimal("0.00001"), key
        else:
            assert found[key] == value, key


def minute(moment: datetime) -> str:
    """The text of an instant in a table."""
    return f"{moment:%Y-%m-%d %H:%M}"


def dollars(found: float | None, wanted: Decimal) -> None:
    assert found is not None
    assert abs(Decimal(found) - wanted) < Decimal("0.00001"), (found, wanted)


def billed_cells(
    t: Truth, names: tuple[str, ...]
) -> dict[tuple[str, ...], tuple[list[Decimal], list[int], Decimal]]:
    """Dollars and tokens of the five kinds, and all dollars, of the days that have both."""
    billed_days = by([row for row in t.costs if row["model"]], ["time", *names], "usd")
    used = by([row | {"time": day_of(row["time"])} for row in t.usage], ["time", *names], "tokens")
    both = {key for key in billed_days if key in used}
    cells: dict[tuple[str, ...], tuple[list[Decimal], list[int], Decimal]] = {}
    for key in both:
        cells.setdefault(key[1:], ([Decimal(0)] * 5, [0] * 5, Decimal(0)))
    for row in t.costs:
        cell = row["time"], *(row[name] for name in names)
        if cell in both:
            usd, tokens, billed = cells[cell[1:]]
            usd[BILL_KINDS.index(row["token_type"])] += row["usd"]
            cells[cell[1:]] = usd, tokens, billed + row["usd"]
    for row in t.usage:
        cell = day_of(row["time"]), *(row[name] for name in names)
        if cell in both:
            for place, kind in enumerate(USAGE_KINDS[:5]):
                cells[cell[1:]][1][place] += row[kind]
    return cells
