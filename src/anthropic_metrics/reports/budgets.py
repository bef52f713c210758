"""The configured budgets in the agent stream, so that a panel can hold the month's cost against them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from anthropic_metrics.config import BudgetSettings, Config
from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import Prepared, document_id, prepare
from anthropic_metrics.kernel.datasets import AGENT, COST, stream_name
from anthropic_metrics.kernel.frame import DEFAULT_WORKSPACE, workspace_fields
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Progress, Sink, Terms
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally

ACTION = "budget"
_ORGANIZATION = "organization"


def month_of(moment: datetime) -> Range:
    """The calendar month (UTC) that holds `moment`."""
    start = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    following = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    return Range(start, following)


def budget_documents(
    budgets: BudgetSettings, names: Names, namespace: str, now: datetime
) -> Iterator[Prepared]:
    """One document per budget for the month of `now`; those of tags are left out, no row is a tag's alone."""
    whose: list[tuple[str, str, float]] = []
    if budgets.organization_usd is not None:
        whose.append((_ORGANIZATION, _ORGANIZATION, budgets.organization_usd))
    whose += (("workspace", name, usd) for name, usd in budgets.workspaces.items())
    start = month_of(now).start
    for scope, name, usd in whose:
        workspace = _workspace(name, names) if scope == "workspace" else {}
        document = agent_document(
            ACTION,
            at=start,
            now=now,
            namespace=namespace,
            organization=names.organization,
            anthropic=workspace | {"budget": {"scope": scope, "name": name, "month_usd": usd}},
            event={"category": ["configuration"]},
        )
        dimensions: dict[str, str | None] = {"action": ACTION, "scope": scope, "name": name}
        yield prepare(document_id(names.organization_id, AGENT, start, dimensions), document)


class BudgetPoller:
    """Keeps this month's budgets in the agent stream as they are configured, after each poll of costs."""

    def __init__(self, config: Config, inventory: Inventory, *, clock: Callable[[], datetime]) -> None:
        self.only, self.dataset = "cost", AGENT
        self.stream = stream_name(AGENT, config.namespace)
        self.terms: Terms = {"event.action": [ACTION]}
        self._config = config
        self._inventory = inventory
        self._clock = clock

    def live(self, sink: Sink) -> list[Job]:
        return [self._job(sink)]

    def sweep(self, sink: Sink) -> list[Job]:
        return []

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        return [self._job(sink)]

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        """None: nobody knows what the configuration said."""
        return []

    def range(self, wanted: Range | None = None) -> Range | None:
        return None

    def documents(self, wanted: Range, tally: Tally) -> Iterator[Prepared]:
        return iter(())

    def _job(self, sink: Sink) -> Job:
        config = self._config

        def run(tally: Tally) -> Range:
            now = self._clock()
            month, names = month_of(now), self._inventory.names(now)
            outcome = sink.store.reconcile(
                self.stream,
                month,
                budget_documents(config.budgets, names, config.namespace, now),
                organization_id=names.organization_id,
                terms=self.terms,
                now=now,
                confirm_after=config.cost.interval,
            )
            tally.add(outcome)
            tally.silencing |= set(unknown_names(config.budgets, names))
            return month

        return Job("budgets", self.only, self.stream, config.cost.interval, run, after=COST)


def unknown_names(budgets: BudgetSettings, names: Names) -> Iterator[str]:
    """A sentence for each budget of a workspace or tag that the organization does not have."""
    spaces = names.workspaces
    known = {DEFAULT_WORKSPACE, *spaces, *(space.name for space in spaces.values())}
    tags = {f"{key}={value}" for space in spaces.values() for key, value in space.tags.items()}
    for key, asked, there in (("workspaces", budgets.workspaces, known), ("tags", budgets.tags, tags)):
        for name in asked:
            if name not in there:
                yield f"budgets.{key}: {name}: there is no such name, so this budget never alerts."


def _workspace(name: str, names: Names) -> dict[str, object]:
    """The shared fields of a workspace that is given by name or id; of an unknown one the name alone."""
    if name == DEFAULT_WORKSPACE or name in names.workspaces:
        return workspace_fields(name, names)
    named = (id_ for id_, space in names.workspaces.items() if space.name == name and not space.archived)
    found = next(named, None)
    return workspace_fields(found, names) if found else {"workspace": {"name": name}}
