"""What has to be true when the faults are over, and of every correction that was logged on the way."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import datetime, timedelta
from typing import Any

from anthropic_metrics.agent.core import Agent
from anthropic_metrics.derived.poller import DerivedPoller
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.spend.additions import Addition, additions
from anthropic_metrics.spend.keeper import SpendKeeper
from tests.harness.chaos_corrections import Ledger, check_corrections
from tests.harness.chaos_rows import Wrong, documents, held_row, true_row
from tests.harness.chaos_world import MINUTES, Chaos
from tests.harness.world import GROUPED, WIDTHS


def check(world: Chaos, ledger: Ledger) -> None:
    """Every stream equals the Admin API, row by row; every correction is true and none is missing."""
    check_streams(world)
    check_derived(world, "headroom")
    check_spend(world)
    check_corrections(world, ledger)


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


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
