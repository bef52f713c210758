"""What changed in finished buckets, and whether the corrections in the agent stream say so."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.reports.corrections import value_at
from tests.harness.chaos_rows import IN_API, NUMBERS, Documents, Wrong, documents
from tests.harness.chaos_world import Chaos, Turn
from tests.harness.world import COST_FIELDS, GROUPED, NULLS, WIDTHS

Change = tuple[str, str, str, float, float | None]


@dataclass
class Ledger:
    """Which numbers of finished buckets changed in the streams, seen from outside between the passes."""

    world: Chaos
    before: dict[str, dict[str, Any]] = field(default_factory=dict)
    seen: set[Change] = field(default_factory=set)

    def look(self) -> None:
        """Compare the streams with the last look."""
        for dataset, found in self._found().items():
            now = _single(found)
            several = {id_ for id_, _ in found} - now.keys()
            for id_, old in self.before.get(dataset, {}).items():
                if value_at(old, "anthropic.usage.bucket_complete") is not False and id_ not in several:
                    stream = self.world.truth.stream(dataset)
                    self.seen |= set(_changes(stream, id_, old, now.get(id_), NUMBERS[dataset]))
            self.before[dataset] = now

    def forget(self) -> None:
        """Somebody else changed the streams: begin anew."""
        self.before = {dataset: _single(found) for dataset, found in self._found().items()}

    def _found(self) -> dict[str, Documents]:
        found: dict[str, Documents] = {dataset: [] for dataset in NUMBERS}
        for id_, source in documents(self.world, *NUMBERS):
            found[source["data_stream"]["dataset"].removeprefix("anthropic_metrics.")].append((id_, source))
        return found


def _changes(stream: str, id_: str, old: Any, new: Any, numbers: Iterable[str]) -> Iterable[Change]:
    for number in numbers:
        was, is_ = value_at(old, number), None if new is None else value_at(new, number)
        if was is not None and (float(was) != 0 if is_ is None else float(is_) != float(was)):
            yield stream, id_, number, float(was), None if is_ is None else float(is_)


def _single(found: Documents) -> dict[str, Any]:
    """Documents of which there is one copy: which of two counts is decided at the next comparison."""
    copies = Counter(id_ for id_, _ in found)
    return {id_: source for id_, source in found if copies[id_] == 1}


def check_corrections(world: Chaos, ledger: Ledger) -> None:
    logged: dict[tuple[str, str, str], set[tuple[float, float | None]]] = defaultdict(set)
    for id_, source in documents(world, "agent"):
        if source["event"]["action"] != "correction":
            continue
        entry = source["anthropic"]["correction"]
        logged[entry["stream"], entry["document_id"], entry["field"]].add((entry["old"], entry.get("new")))
        _check_correction(world, id_, source)
    for stream, document, name, old, new in sorted(ledger.seen, key=str):
        if not _leads(logged[stream, document, name], old, new):
            raise Wrong(f"{stream}: {document} {name} went from {old} to {new}, and no correction says so")


def _leads(steps: set[tuple[float, float | None]], old: float, new: float | None) -> bool:
    """Whether logged corrections lead from one figure to the other."""
    reached: set[float | None] = {old}
    while True:
        further = {after for before, after in steps if before in reached} - reached
        if not further:
            return new in reached
        reached |= further


def _check_correction(world: Chaos, id_: str, source: dict[str, Any]) -> None:
    """The API said the new figure when it was noticed, and the old one at an earlier poll.

    A clock that steps may show the same time twice: then it is either of the two polls.
    """
    entry = source["anthropic"]["correction"]
    noticed = datetime.fromisoformat(source["@timestamp"])
    nearest = min(abs(turn.seemed - noticed) for turn in world.polls)
    dataset = entry["stream"].removeprefix("metrics-anthropic_metrics.").rpartition("-")[0]
    dimensions, start = frozenset(entry["dimensions"]), entry["bucket_start_time"]

    def said(turns: Iterable[Turn]) -> set[float | None]:
        return {_said(world, dataset, start, dimensions, entry["field"], turn.at) for turn in turns}

    then = [turn for turn in world.polls if abs(turn.seemed - noticed) == nearest]
    if entry.get("new") not in said(then) and not any(turn.lied for turn in then):
        raise Wrong(f"correction {id_}: new is {entry.get('new')}, the API said {said(then)}: {entry}")
    if entry["old"] not in said(world.polls) and not any(turn.lied for turn in world.polls):
        raise Wrong(f"correction {id_}: old is {entry['old']}, the API never said so: {entry}")


def _said(
    world: Chaos, dataset: str, start: str, dimensions: frozenset[str], name: str, at: datetime
) -> float | None:
    """What the API said at a moment; cached, corrections ask again and again."""
    cache: dict[Any, dict[frozenset[str], dict[str, Any]]] = world.__dict__.setdefault("_said", {})
    key = dataset, start, at
    if key not in cache:
        begin = datetime.fromisoformat(start)
        rows = (
            world.simulation.cost_rows(
                begin, begin + timedelta(days=1), ("workspace_id", "description"), at=at
            )
            if dataset == "cost"
            else world.simulation.usage_rows(
                begin,
                begin + timedelta(minutes=1 if dataset == "usage_1m" else 60),
                WIDTHS[dataset],
                GROUPED,
                at=at,
            )
        )
        nulls = {"workspace_id": "Default"} if dataset == "cost" else NULLS
        names = [n for n in (COST_FIELDS if dataset == "cost" else GROUPED) if n != "currency"]
        cache[key] = {
            frozenset(f"{n}={row[n] or nulls.get(n)}" for n in names if row[n] or n in nulls): row
            for row in rows
        }
    row = cache[key].get(dimensions)
    return None if row is None else float(value_at(row, IN_API[name]))
