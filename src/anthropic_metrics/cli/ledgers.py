"""What `costs` and `report` share: the period asked for, and its bill read with progress on a terminal."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.agent.organization import inventory_of
from anthropic_metrics.budgets.scope import unknown_to_teams, wrong_names
from anthropic_metrics.cli.asking import admin_client
from anthropic_metrics.cli.progress import progress
from anthropic_metrics.config import Config
from anthropic_metrics.config.values import format_duration
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.charges import Charge
from anthropic_metrics.finance.grouping import By, Labels, key_notes
from anthropic_metrics.finance.ledger import Ledger, group_by, read_ledger
from anthropic_metrics.finance.people import People
from anthropic_metrics.finance.period import Period
from anthropic_metrics.finance.teams import teams_without
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ranges import DAY
from anthropic_metrics.kernel.teams import UNASSIGNED
from anthropic_metrics.people.persons import Persons
from anthropic_metrics.spend.money import dollars

LEFT_OUT = (
    "Not included, because the Admin API does not report them: tax, credits and Priority Tier commitments"
)
TEAM_HELP = "Only what this team pays."


@dataclass(frozen=True)
class Books:
    """The Admin API's organization as finance asks for it: names, and the bill of any period."""

    config: Config
    client: AdminClient
    names: Names
    now: datetime

    @property
    def labels(self) -> Labels:
        return Labels(self.names)

    def ledger(self, period: Period, *, with_usage: bool, with_people: bool = False) -> Ledger:
        """The period's bill, with a bar on a terminal. Raises what `read_ledger` raises."""
        with progress([period.until(self.now)]) as bar:
            return read_ledger(
                self.client,
                self.config,
                period,
                self.now,
                with_usage=with_usage,
                people=self._people() if with_people else None,
                on_day=bar.advance,
            )

    def _people(self) -> People:
        settings = self.config.people
        if not settings.enabled:
            raise ConfigError("--by person: people are not collected; set people.enabled and people.salt")
        return People(Persons(settings.identify, settings.secret(), self.names.api_keys), self.names)

    def wanted(self, period: Period, *, with_usage: bool, with_people: bool = False) -> Ledger:
        """The same; ConfigError for a period that is over and has no bill."""
        ledger = self.ledger(period, with_usage=with_usage, with_people=with_people)
        nothing = not (ledger.lines or ledger.foreign or ledger.problems.total)
        if nothing and period.is_over(self.now):
            raise ConfigError(
                f"There is no bill for {period.label}: it lies before the organization's history, or nothing "
                "was used"
            )
        return ledger

    def needs_keys(self, bys: Collection[By], team: str | None) -> bool:
        """Whether any figure needs the bill shared out over keys."""
        ways = [*bys, By(("team",))] if team else bys
        return any(by.needs_keys(self.names) for by in ways)

    def check_team(self, team: str | None) -> None:
        """ConfigError for a team that the configuration does not have."""
        known = [team_.name for team_ in self.names.teams.teams]
        if team is None or team in (*known, UNASSIGNED):
            return
        if not known:
            raise ConfigError("--team: the configuration has no teams; write them under `teams`")
        near = get_close_matches(team, known, n=1)
        hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known)[:10])}"
        raise ConfigError(f"--team: the configuration has no such team; {hint}")


@contextmanager
def books(config: Config, now: datetime) -> Iterator[Books]:
    """Ask the Admin API, and nothing else, for the organization."""
    config.require_admin_key()
    with admin_client(config) as client:
        yield Books(config, client, inventory_of(config, client).names(now), now)


def of_team(charges: Sequence[Charge], team: str | None, labels: Labels) -> Sequence[Charge]:
    """The charges of one team, or all."""
    by = By(("team",))
    return charges if team is None else [charge for charge in charges if labels.of(charge, by) == (team,)]


def settled_note(ledger: Ledger, settle_after: timedelta) -> str:
    """Whether the figures can still change: `settle_after` is how long after its end a day is settled."""
    days = sorted(ledger.open_days & frozenset(ledger.period.days()))
    if not days:
        days_ago, rest = divmod(settle_after, DAY)
        ago = format_duration(settle_after) if rest else f"{days_ago} day{'s' * (days_ago != 1)}"
        return f"Settled: every day of {ledger.period.label} ended at least {ago} ago."
    open_amount = dollars(ledger.open_amount)
    return f"Not settled: the bill of {days[0]} and later, ${open_amount}, is partial and may be revised."


def comparison_notes(ledger: Ledger, before: Ledger | None, now: datetime) -> Iterator[str]:
    """What the figures of the period before are, where they are not the whole bill of it."""
    if before is None:
        return
    like = ledger.like_days(now)
    label = before.period.part_label(like)
    if not any(like.start <= day < like.end for day in before.billed_days):
        yield f"There is no bill for {label}, so the whole amount counts as change."
    elif not ledger.period.is_over(now):
        yield f"{ledger.period.label} is not over; changes compare it with {label}."


def team_notes(books: Books, ledger: Ledger, bys: Collection[By], team: str | None = None) -> Iterator[str]:
    """What tables by team, or of one team, leave out: unknown names, and why a team has nothing."""
    if team is not None:
        yield f"Only what team {team} pays; the whole bill is ${dollars(ledger.amount)}."
    if team is None and not any("team" in by.ways for by in bys):
        return
    yield from unknown_to_teams(books.config, books.names)
    if ledger.lines:
        rows = (charge.dimensions for charge in ledger.finest())
        wrong = {name for name, _, _ in wrong_names(books.config, books.names)}
        reasons = teams_without(rows, books.names, ledger.period.label, wrong)
        yield from (reason for name, reason in reasons.items() if team in (None, name))


def label_notes(
    books: Books, ledgers: Sequence[Ledger], bys: Collection[By], team: str | None = None
) -> Iterator[str]:
    """Which labels of these tables need a word: models without web search, and keys without a name."""
    searches, is_shared = ledgers[0].searches_without_model, ledgers[0].shares is not None
    if searches and is_shared and any(by.loses_models for by in bys):
        yield (
            f"Web search is in the models that searched (${dollars(searches)}); `costs --by model` lists it "
            "as (no model)."
        )
    elif searches and any(by.loses_models for by in bys):
        yield (
            f"Without keys, web search has no model (${dollars(searches)} here); `--by model,key` gives it "
            "to the models that searched."
        )
    if is_shared and any("key" in by.ways for by in bys):
        charges = of_team([one for ledger in ledgers for one in ledger.shares or ()], team, books.labels)
        yield from key_notes((charge.api_key_id for charge in charges), books.names)


def remarks(books: Books, ledgers: Sequence[Ledger], team: str | None = None) -> Iterator[str]:
    """What the reader has to know of the figures beside the total."""
    with_usage = any(ledger.shares is not None for ledger in ledgers)
    # Only usage names the tier, and reading it takes requests that not every question needs.
    yield f"{LEFT_OUT}." if with_usage else f"{LEFT_OUT} (`--by key` counts the tokens of Priority Tier)."
    if tokens := sum(ledger.priority_tokens for ledger in ledgers[:1]):
        of_all = "" if team is None else " of the whole organization"
        yield f"{tokens:,} tokens of Priority Tier{of_all} are paid by commitment and have no amount."
    if with_usage and group_by(books.config) != tuple(books.config.usage.group_by):
        yield (
            "usage.group_by has no keys; the shares are by model, workspace, tier, geo and key instead, so "
            "they can differ from the spend stream's."
        )
    for currency, count in sorted(ledgers[0].foreign.items()):
        yield f"{count} lines in {currency} are left out."


def unread(ledgers: Sequence[Ledger]) -> list[str]:
    """What of the Admin API could not be read: then the figures are incomplete."""
    return [str(ledger.problems) for ledger in ledgers if ledger.problems.total]
