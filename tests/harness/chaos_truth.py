"""What has to be true when the faults are over, and of every correction that was logged on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.documents.cost import NUMBERS as COST_NUMBERS
from anthropic_metrics.documents.usage import NUMBERS as USAGE_NUMBERS
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.corrections import value_at
from anthropic_metrics.simulator import SettableClock, Simulation
from anthropic_metrics.spend.additions import Addition, additions
from anthropic_metrics.spend.keeper import SpendKeeper
from tests.harness.chaos_world import MINUTES, Chaos, Turn
from tests.harness.world import COST_FIELDS, GROUPED, NULLS, WIDTHS

NUMBERS = {"usage": USAGE_NUMBERS, "usage_1m": USAGE_NUMBERS, "cost": COST_NUMBERS}
IN_API = {
    "anthropic.usage.uncached_input_tokens": "uncached_input_tokens",
    "anthropic.usage.cached_input_tokens": "cache_read_input_tokens",
    "anthropic.usage.cache_creation.ephemeral_5m_input_tokens": "cache_creation.ephemeral_5m_input_tokens",
    "anthropic.usage.cache_creation.ephemeral_1h_input_tokens": "cache_creation.ephemeral_1h_input_tokens",
    "anthropic.usage.output_tokens": "output_tokens",
    "anthropic.usage.server_tool_use.web_search_requests": "server_tool_use.web_search_requests",
    "anthropic.cost.amount": "amount",
}
Key = tuple[str, frozenset[str]]
PAGE = 10_000
Documents = list[tuple[str, dict[str, Any]]]
Change = tuple[str, str, str, float, float | None]


class Wrong(AssertionError):
    """The streams do not say what the Admin API says."""


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


def documents(world: Chaos, *datasets: str) -> Documents:
    """Every copy of every document of the organization, with its id; none while a stream does not exist."""
    streams = [world.truth.stream(dataset) for dataset in datasets]
    world.es.indices.refresh(index=streams, ignore_unavailable=True)
    found: Documents = []
    after: dict[str, Any] = {}
    while True:
        page = world.es.search(
            index=streams,
            ignore_unavailable=True,
            size=PAGE,
            sort=["@timestamp", "event.hash", "_doc"],
            track_total_hits=False,
            **after,
        )["hits"]["hits"]
        found += [(hit["_id"], hit["_source"]) for hit in page if _is_own(world, hit["_source"])]
        if len(page) < PAGE:
            return found
        after = {"search_after": page[-1]["sort"]}


def _is_own(world: Chaos, source: dict[str, Any]) -> bool:
    """Whether it is a document of the world's organization, of several."""
    return world.polled is None or source["organization"].get("id") == world.simulation.organization().id


def _single(found: Documents) -> dict[str, Any]:
    """Documents of which there is one copy: which of two counts is decided at the next comparison."""
    copies = Counter(id_ for id_, _ in found)
    return {id_: source for id_, source in found if copies[id_] == 1}


def check(world: Chaos, ledger: Ledger) -> None:
    """Every stream equals the Admin API, row by row; every correction is true and none is missing."""
    check_streams(world)
    check_derived(world, "headroom")
    check_spend(world)
    _check_corrections(world, ledger)


def check_streams(world: Chaos, *, since: datetime | None = None) -> None:
    """Every stream equals the Admin API, row by row, and nothing was written beside them.

    Minutes are compared from `since` on, or as far back as the agents of the chaos suite read them.
    """
    now = world.clock.now()
    first = world.config.backfill.since(now)
    minutes = (since or now - MINUTES).replace(second=0, microsecond=0)
    for dataset, start in (("usage", first), ("usage_1m", minutes), ("cost", first)):
        _check_stream(world, dataset, start)
    _check_limits(world)
    _check_indices(world)


def _check_stream(world: Chaos, dataset: str, start: datetime) -> None:
    found = [(id_, source) for id_, source in documents(world, dataset)]
    twice = [id_ for id_, times in Counter(id_ for id_, _ in found).items() if times > 1]
    if twice:
        raise Wrong(f"{dataset}: {len(twice)} documents are there twice, such as {twice[0]}")
    now, partial = world.clock.now(), world.server.behaviour.open_bucket == "partial"
    held: Counter[Any] = Counter()
    for id_, source in found:
        row = source["anthropic"]["usage" if dataset != "cost" else "cost"]
        if source["@timestamp"] < _text(start) or (row["bucket_end_time"] > _text(now) and not partial):
            continue
        since = source["anthropic"].get("missing_since")
        if since is None:
            held[held_row(dataset, source)] += 1
        elif datetime.fromisoformat(since) < now - timedelta(milliseconds=1):
            raise Wrong(f"{dataset}: {id_} of {source['@timestamp']} vanished at {since} and is still there")
    truth = Counter(true_row(world, dataset, row) for row in _truth(world, dataset, start, now))
    if held != truth:
        extra, lacking = list((held - truth).elements()), list((truth - held).elements())
        raise Wrong(
            f"{dataset}: {len(lacking)} of {truth.total()} rows are not there as the API has them, "
            f"{len(extra)} are there that it does not have. Lacking: {lacking[:2]}. Too many: {extra[:2]}."
        )


def _truth(world: Chaos, dataset: str, start: datetime, now: datetime) -> list[dict[str, Any]]:
    simulation = world.simulation
    step = {"usage": timedelta(hours=1), "usage_1m": timedelta(minutes=1), "cost": timedelta(days=1)}[dataset]
    end = now + step if world.server.behaviour.open_bucket == "partial" else now
    if dataset == "cost":
        return simulation.cost_rows(start, end, ("workspace_id", "description"), at=now)
    return simulation.usage_rows(start, end, WIDTHS[dataset], GROUPED, at=now)


def held_row(dataset: str, source: dict[str, Any]) -> Any:
    """A document as a row: bucket, dimensions, numbers, names."""
    anthropic = source["anthropic"]
    row = anthropic["cost" if dataset == "cost" else "usage"]
    names = COST_FIELDS if dataset == "cost" else GROUPED
    numbers = (
        (row["amount_exact"],)
        if dataset == "cost"
        else tuple(value_at(source, name) for name in USAGE_NUMBERS)
    )
    called = anthropic.get("workspace", {}).get("name"), anthropic.get("api_key", {}).get("name")
    return source["@timestamp"], *(row.get(name) for name in names), *numbers, *called


class Simulated(Protocol):
    """What the truth of a row is asked of."""

    @property
    def simulation(self) -> Simulation: ...

    @property
    def clock(self) -> SettableClock: ...


def true_row(world: Simulated, dataset: str, row: dict[str, Any]) -> Any:
    """A row of the API's as `held_row` shows the document that it should be."""
    names = COST_FIELDS if dataset == "cost" else GROUPED
    nulls = {"workspace_id": "Default"} if dataset == "cost" else NULLS
    dimensions = {name: row[name] or nulls.get(name) for name in names}
    numbers = (
        (row["amount"],)
        if dataset == "cost"
        else tuple(value_at(row, IN_API[name]) for name in USAGE_NUMBERS)
    )
    called = _names(world, dimensions)
    return row["starting_at"], *dimensions.values(), *numbers, *called


def _names(world: Simulated, dimensions: dict[str, Any]) -> tuple[str | None, str | None]:
    organization = world.simulation.organization(world.clock.now())
    workspace, key = dimensions.get("workspace_id"), dimensions.get("api_key_id")
    named = organization.workspace(workspace) if workspace else None
    keys = {each.id: each.name for each in organization.api_keys}
    return (
        workspace if workspace == "Default" else named.name if named else None,
        key if key == "Console" else keys.get(key) if key else None,
    )


def _check_limits(world: Chaos) -> None:
    """The snapshot of the present slot is whole; those before it said what held when they were taken."""
    slot = world.clock.now() - (world.clock.now() - datetime(1970, 1, 1, tzinfo=world.clock.now().tzinfo)) % (
        timedelta(minutes=15)
    )
    held: dict[str, Counter[Any]] = defaultdict(Counter)
    for _, source in documents(world, "rate_limit"):
        limit = source["anthropic"]["rate_limit"]
        for each in limit["limits"]:
            entry = limit["scope"], limit.get("workspace_id"), limit["group_id"], each["type"], each["value"]
            held[source["@timestamp"]][entry] += 1
    simulation, now = world.simulation, world.clock.now()
    truth: Counter[Any] = Counter()
    rows: list[tuple[str, str | None, dict[str, Any]]] = [
        ("organization", None, row) for row in simulation.rate_limits(now)
    ]
    for space in simulation.workspaces(now, default=False, archived=False):
        limits = simulation.workspace_rate_limits(space["id"], now, inherited=True)
        rows += [("workspace", space["id"], row) for row in limits]
    for scope, workspace, row in rows:
        for each in row["limits"]:
            truth[scope, workspace, row["group"]["id"], each["type"], each["value"]] += 1
    if held[_text(slot)] != truth:
        raise Wrong(f"rate_limit: {held[_text(slot)] - truth} too many, {truth - held[_text(slot)]} lacking")


def check_derived(world: Chaos, poller: str) -> None:
    """A derived stream follows from its inputs in the streams: computed afresh, nothing changes.

    What it should be for given inputs is the end-to-end tests' affair.
    """
    with Agent(world.config, clock=world.clock.now) as agent:
        name = f"anthropic_metrics.{poller}"
        (job,) = (each for each in agent.organization.whole(agent.sink) if each.name == name)
        tally = agent.attempt(job)
    if tally.failures or tally.changed or not (tally.kept or tally.rows == 0):
        raise Wrong(f"{poller}: computed afresh it changes: {tally.counts()}, {tally.failures}")


def check_spend(world: Chaos) -> None:
    """Spend follows from usage and what was billed, with one document for each row of usage, whatever its
    basis, and adds up to what was billed."""
    check_derived(world, "spend")
    usage = {id_ for id_, _ in documents(world, "usage")}
    spent = documents(world, "spend")
    found = Counter(id_ for id_, _ in spent)
    if twice := [id_ for id_, times in found.items() if times > 1]:
        raise Wrong(f"spend: {len(twice)} documents are there twice, such as {twice[0]}")
    if lacking := usage - found.keys():
        raise Wrong(f"spend: {len(lacking)} rows of usage have no document")
    others = [source for id_, source in spent if id_ not in usage]
    if strange := [each for each in others if "cost_type" not in each["anthropic"]["spend"]]:
        raise Wrong(f"spend: {len(strange)} documents are of no row of usage, such as {strange[0]}")
    if unequal := [each for each in _additions(world) if not each.equal]:
        raise Wrong(f"spend: {len(unequal)} sums are not what was billed, such as {unequal[0]}")


def _additions(world: Chaos) -> list[Addition]:
    with Agent(world.config, clock=world.clock.now) as agent:
        (keeper,) = (
            poller.keeper
            for poller in agent.organization.pollers
            if isinstance(poller, DerivedPoller) and isinstance(poller.keeper, SpendKeeper)
        )
        now = world.clock.now()
        names, whole = agent.organization.inventory.names(now), keeper.history(now)
        tally = Tally(keeper.only, world.truth.stream("spend"))
        computation = keeper.computation(whole, agent.sink.ask, names, now, tally)
        return list(additions(computation, tally.stream, whole))


def _check_indices(world: Chaos) -> None:
    """Nothing was written beside the streams."""
    found = world.es.indices.resolve_index(name=f"*{world.config.namespace}*", expand_wildcards="all")
    stray = [index["name"] for index in found["indices"] if "data_stream" not in index]
    if stray:
        raise Wrong(f"indices beside the streams: {stray}")


def _check_corrections(world: Chaos, ledger: Ledger) -> None:
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


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
