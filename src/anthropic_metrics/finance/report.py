"""A report for finance as a value: groupings, the month before, movers, budgets, corrections. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_FLOOR
from enum import StrEnum

from anthropic_metrics.budgets.state import State
from anthropic_metrics.finance.charges import Charge, within
from anthropic_metrics.finance.grouping import By, Group, Labels, group, summed
from anthropic_metrics.finance.ledger import Ledger
from anthropic_metrics.finance.period import Period
from anthropic_metrics.finance.shown import cents
from anthropic_metrics.forecast.model import Forecast
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.spend.money import CENT, EXACT, WIDE, Usd, total

MOVERS = 8
_MOVED_BY = By(("workspace", "model"))


class Kind(StrEnum):
    """What a report is for: to show who used what, to post it to cost centres, to hold it against budgets."""

    showback = "showback"
    chargeback = "chargeback"
    quota = "quota"


@dataclass(frozen=True, slots=True)
class Section:
    """One grouping. `posted` has each group's amount in whole cents, adding up to the rounded total."""

    by: By
    groups: tuple[Group, ...]
    posted: tuple[Usd, ...]

    @property
    def total(self) -> Group:
        return summed(self.groups)


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """A budget of the month, in dollars or in tokens, and what was spent or used of it; None in the other
    unit. `state` is `ok`, `warning` or `exceeded`; `incomplete` instead of `ok` where a part of the bill
    could not be read, and `unknown` where the budget's name fits nothing, which `problem` explains and
    `reason` in a few words: then nothing is known of it. `short` is the name without whose budget it is.

    In a month that is not over with the forecast of its end, and the day on which it runs out.
    """

    name: str
    allowed: Usd | None
    spent: Usd | None
    allowed_tokens: int | None = None
    used_tokens: int | None = None
    forecast: Forecast | None = None
    runs_out: date | None = None
    state: State = "ok"
    short: str = ""
    problem: str = ""
    reason: str = ""

    @property
    def left(self) -> Usd | None:
        """Negative where more was spent; None for a budget in tokens."""
        if self.allowed is None or self.spent is None:
            return None
        return Usd(total((self.allowed, Usd(-self.spent))))

    @property
    def left_tokens(self) -> int | None:
        """Negative where more was used; None for a budget in dollars."""
        if self.allowed_tokens is None or self.used_tokens is None:
            return None
        return self.allowed_tokens - self.used_tokens

    @property
    def share(self) -> float | None:
        """What was spent or used of it; None where nothing counts."""
        if self.allowed_tokens:
            return None if self.used_tokens is None else self.used_tokens / self.allowed_tokens
        return float(self.spent / self.allowed) if self.allowed and self.spent is not None else None


@dataclass(frozen=True, slots=True)
class Correction:
    """A line of the bill that changed after the last report; None: it was not there, or is gone."""

    noticed: datetime
    day: date
    what: str
    old: Usd | None
    new: Usd | None


@dataclass(frozen=True, slots=True)
class LastReport:
    """When the month was last reported, and its total then."""

    made_at: datetime
    amount: Usd


@dataclass(frozen=True)
class Report:
    """All that the files show. `last` and `corrections` are None where no cluster remembers reports,
    `forecast` for a month that is over.

    `total.before`, the groups and the movers compare with the days `compared` of the period before, with all
    of it where that is None; `whole_before` is what the period before cost in all.
    """

    kind: Kind
    period: Period
    organization: str
    organization_id: str
    made_at: datetime
    total: Group
    open_days: frozenset[date]
    days: tuple[tuple[date, Usd], ...]
    sections: tuple[Section, ...]
    movers: tuple[Group, ...]
    budgets: tuple[BudgetLine, ...] = ()
    forecast: Forecast | None = None
    last: LastReport | None = None
    corrections: tuple[Correction, ...] | None = None
    notes: tuple[str, ...] = ()
    team_fields: Mapping[str, Mapping[str, str]] | None = None
    compared: Period | None = None
    whole_before: Usd | None = None

    @property
    def like(self) -> Period:
        """The days that `before` figures are of."""
        return self.compared or self.period.before

    @property
    def before_label(self) -> str:
        """What these days are called."""
        return self.period.before.part_label(self.like)

    @property
    def is_over(self) -> bool:
        """Whether the month had ended when the report was made."""
        return self.period.is_over(self.made_at)

    @property
    def is_settled(self) -> bool:
        return not self.open_days


@dataclass(frozen=True, slots=True)
class Money:
    """The two periods' charges, as lines of the bill and, where they are needed, by key and by person.

    `compared`: the days of the period before that figures are compared with; None for all."""

    ledger: Ledger
    before: Ledger
    compared: Period | None = None

    @property
    def ledgers(self) -> list[Ledger]:
        """Both, the month's own first."""
        return [self.ledger, self.before]

    @property
    def is_shared(self) -> bool:
        """Whether usage was read for both: then one report has one figure for each model."""
        return self.ledger.shares is not None and self.before.shares is not None

    def of(self, *, by_key: bool, by_person: bool = False) -> tuple[Sequence[Charge], Sequence[Charge]]:
        """The month's charges, and those of the days that they are compared with."""
        earlier = self.before.charges(by_key=by_key, by_person=by_person)
        return (
            self.ledger.charges(by_key=by_key, by_person=by_person),
            earlier if self.compared is None else within(earlier, self.compared),
        )


def sections(money: Money, bys: Iterable[By], names: Names) -> tuple[Section, ...]:
    """Each grouping of both periods, from the shares if there are any, even where the bill would do: only
    they know tokens and the models of web search. Lines of the bill are always the bill's own."""
    labels, built = Labels(names), []
    for by in bys:
        shared = "line" not in by.ways and (money.is_shared or by.needs_keys(names))
        charges, before = money.of(by_key=shared, by_person=by.needs_people)
        open_days, teams = money.ledger.open_days, names.teams.names
        groups = group(charges, by, labels, open_days=open_days, before=before, teams=teams)
        built.append(Section(by, tuple(groups), posted_groups(groups)))
    return tuple(built)


def posted_groups(groups: Sequence[Group]) -> tuple[Usd, ...]:
    """Whole cents for each group: the outermost ones add up to the rounded total, their groups to them."""
    places: dict[str, list[int]] = {}
    for place, member in enumerate(groups):
        places.setdefault(member.labels[0], []).append(place)
    outer = posted([total(groups[place].amount for place in own) for own in places.values()])
    cents_by_place: dict[int, Usd] = {}
    for own, outer_cents in zip(places.values(), outer, strict=True):
        cents_by_place |= zip(own, posted([groups[place].amount for place in own], outer_cents), strict=True)
    return tuple(cents_by_place[place] for place in range(len(groups)))


def posted(amounts: Sequence[Usd], whole_cents: Usd | None = None) -> list[Usd]:
    """Whole cents that add up to `whole_cents`, else to the rounded total; what rounding leaves goes to the
    largest rests."""
    floors = [Usd(amount.quantize(CENT, ROUND_FLOOR, WIDE)) for amount in amounts]
    wanted = cents(total(amounts)) if whole_cents is None else whole_cents
    left = int(total((wanted, Usd(-total(floors)))).scaleb(2, EXACT))
    remainders = [amount - floor for amount, floor in zip(amounts, floors, strict=True)]
    for place in sorted(range(len(amounts)), key=lambda place: -remainders[place])[:left]:
        floors[place] = Usd(EXACT.add(floors[place], CENT))
    return floors


def daily(ledger: Ledger, now: datetime) -> tuple[tuple[date, Usd], ...]:
    """The bill of every day of the period that has begun."""
    end = ledger.period.until(now).end.date()
    sums: dict[date, list[Usd]] = {day: [] for day in ledger.period.days() if day < end}
    for line in ledger.lines:
        sums.setdefault(line.day, []).append(line.amount)
    return tuple((day, total(amounts)) for day, amounts in sorted(sums.items()))


def movers(money: Money, names: Names) -> tuple[Group, ...]:
    """The workspaces and models whose costs changed most against the period before."""
    charges, before = money.of(by_key=money.is_shared)
    groups = group(charges, _MOVED_BY, Labels(names), before=before)
    changed = [mover for mover in groups if mover.change]
    return tuple(sorted(changed, key=lambda mover: (-abs(mover.change), mover.labels))[:MOVERS])


def team_fields(names: Names) -> dict[str, dict[str, str]]:
    """Owner, cost centre and the like by team; of two entries of one team the first has them."""
    fields_by_team: dict[str, dict[str, str]] = {}
    for team in names.teams.teams:
        fields_by_team.setdefault(team.name, {k: v for k, v in team.fields().items() if k != "name"})
    return fields_by_team
