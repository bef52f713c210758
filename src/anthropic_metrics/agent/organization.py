"""One organization: its client with its pace, its inventory of names, and its pollers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.budgets.board import Board
from anthropic_metrics.config import Config
from anthropic_metrics.config.money import teams_of
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.inventory import Claim, Inventory, Memory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ports import Poller, Progress, Sink
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.streams.registry import STREAMS


def inventory_of(
    config: Config, client: AdminClient, *, memory: Memory | None = None, claim: Claim | None = None
) -> Inventory:
    """The inventory of the organization that a configuration is for."""
    return Inventory(
        AdminDirectory(client),
        organization_id=config.anthropic.organization_id,
        teams=teams_of(config.teams),
        memory=memory,
        called=config.label,
        claim=claim,
    )


class Organization:
    """Everything that reads one organization. `label` tells organizations apart, empty where there is one.

    Its jobs carry the label. `only` keeps the pollers of these names (`streams.registry.ONLY`); none keeps
    all.
    """

    def __init__(
        self,
        config: Config,
        client: AdminClient,
        inventory: Inventory,
        *,
        clock: Callable[[], datetime],
        only: Collection[str] = (),
    ) -> None:
        self.config = config
        self.client = client
        self.clock = clock
        self.label = config.label
        self.inventory = inventory
        self.budgets = Board((budget.name for budget in config.budgets), clock=clock)
        self.everything = True  # no poller was left out by name
        self.pollers: list[Poller] = [
            poller for stream in STREAMS if stream.pollers for poller in stream.pollers(self)
        ]
        self.only(only)

    @property
    def shown(self) -> dict[str, str | None] | None:
        """As documents show it; before its key was ever accepted, of several by its name alone."""
        return self.inventory.organization or ({"name": self.label} if self.label else None)

    def only(self, names: Collection[str]) -> None:
        """Keep the pollers of these names; no names keep all."""
        if names:
            self.everything = False
            self.pollers = [poller for poller in self.pollers if poller.only in names]

    def scheduled(self, sink: Sink) -> list[Job]:
        """The daemon's jobs: live ones first."""
        live = [job for poller in self.pollers for job in poller.live(sink)]
        return self.labelled(live + [job for poller in self.pollers for job in poller.sweep(sink)])

    def whole(self, sink: Sink, progress: Progress | None = None) -> list[Job]:
        """One pass over every poller's whole history."""
        return self.labelled(job for poller in self.pollers for job in poller.whole(sink, progress))

    def older(self, sink: Sink, wanted: Range, progress: Progress | None = None) -> list[Job]:
        """One pass over an older range, as far as the streams keep it."""
        return self.labelled(job for poller in self.pollers for job in poller.older(sink, wanted, progress))

    def labelled(self, jobs: Iterable[Job]) -> list[Job]:
        """The jobs as this organization's."""
        return [replace(job, organization=self.label) for job in jobs]

    def ranges(self, wanted: Range | None = None) -> list[Range]:
        """What such a pass reads of the Admin API, a range for each poller that reads any."""
        ranges = (poller.range(wanted) for poller in self.pollers)
        return [time_range for time_range in ranges if time_range is not None]

    def documents(self, tallies: list[Tally]) -> Iterator[Prepared]:
        """The documents that the Admin API makes over the whole history; `tallies` gets what was read."""
        for poller in self.pollers:
            if (time_range := poller.range()) is not None:
                tallies.append(Tally(poller.only, poller.stream))
                for _, documents in poller.documents(time_range, tallies[-1]):
                    yield from documents
