"""The documents of one UTC day of people, from the rows of both analytics reports and Claude Code's. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from anthropic_metrics.admin_api.claude_code import ModelUse, Record
from anthropic_metrics.admin_api.rows import CostItem, UsageItem
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.documents.people import PeopleDocument
from anthropic_metrics.kernel.currency import is_usd
from anthropic_metrics.kernel.frame import Dimensions, Frame
from anthropic_metrics.people.persons import Person, Persons
from anthropic_metrics.spend.money import Usd, total, usd, usd_from_cents, usd_text

CLAUDE_CODE = "claude_code"
_SNAPSHOT = re.compile(r"-\d{8}$")


@dataclass(frozen=True)
class Day:
    """What was read of a day. `loaded`: the analytics reports have all of it."""

    costs: tuple[CostItem, ...] = ()
    uses: tuple[UsageItem, ...] = ()
    records: tuple[Record, ...] = ()
    loaded: bool = False


@dataclass
class _Use:
    """A person's use of a product and model, added up."""

    person: Person
    product: str | None
    model: str | None
    basis: str = "billed"
    amounts: list[Usd] = field(default_factory=list)
    listed: list[Usd] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def count(self, **numbers: int | None) -> None:
        for name, number in numbers.items():
            if number is not None:
                self.counts[name] = self.counts.get(name, 0) + number


_Key = tuple[str, str | None, str | None]


def people_documents(frame: Frame, day: Day, persons: Persons) -> list[Prepared]:
    """One document per person, product and model, and one per person, terminal and kind of customer.

    Where the analytics reports do not have a person's use of Claude Code, its estimate stands in: with the
    same `_id`, so that the billed figure replaces it.
    """
    return frame.prepared(PeopleDocument, _documents(frame, day, persons))


def _documents(
    frame: Frame, day: Day, persons: Persons
) -> Iterator[tuple[Dimensions, dict[str, Any], dict[str, Any]]]:
    uses = _billed(day, persons)
    _estimate(uses, day.records, persons)
    for use in uses.values():
        dimensions: Dimensions = {
            "kind": "use",
            "person": use.person.id,
            "product": use.product,
            "model": use.model,
        }
        yield dimensions, _use(frame, use, loaded=day.loaded), _gen_ai(use.model)
    for (person, terminal, customer), records in _by_terminal(day.records, persons).items():
        dimensions = {"kind": CLAUDE_CODE, "person": person.id, "terminal": terminal, "customer": customer}
        fields = {
            "kind": CLAUDE_CODE,
            "person": person.fields(),
            "bucket_complete": True,
            "product": CLAUDE_CODE,
            "basis": "estimated",
            "claude_code": _work(terminal, customer, records),
        }
        yield dimensions, _anthropic(frame, person, None, fields), _gen_ai(None)


def _billed(day: Day, persons: Persons) -> dict[_Key, _Use]:
    uses: dict[_Key, _Use] = {}

    def of(row: CostItem | UsageItem) -> _Use:
        person, group = persons.of_actor(row.group.actor), row.group
        model = None if group.model is None else _short(group.model)
        return uses.setdefault((person.id, group.product, model), _Use(person, group.product, model))

    for cost in day.costs:
        if is_usd(cost.cost.currency):
            use = of(cost)
            use.amounts.append(usd_from_cents(Decimal(cost.cost.amount)))
            use.listed.append(usd_from_cents(Decimal(cost.cost.list_amount)))
    for row in day.uses:
        tokens = row.usage
        cached = tokens.cache_creation
        of(row).count(
            requests=tokens.requests,
            uncached_input_tokens=tokens.uncached_input_tokens,
            cached_input_tokens=tokens.cache_read_input_tokens,
            cache_creation_input_tokens=cached.ephemeral_5m_input_tokens + cached.ephemeral_1h_input_tokens,
            output_tokens=tokens.output_tokens,
            total_tokens=tokens.total_tokens,
            web_search_requests=tokens.server_tool_use.web_search_requests,
        )
    return uses


def _estimate(uses: dict[_Key, _Use], records: Iterable[Record], persons: Persons) -> None:
    """The Claude Code report's own estimates of those whose use of it the analytics reports do not have.

    What a subscription pays for has no amount: its estimate is on the document of the work alone.
    """
    billed = {use.person.id for use in uses.values() if use.product == CLAUDE_CODE}
    for record in records:
        person = persons.of_record(record.actor)
        if person.id in billed or record.customer_type != "api":
            continue
        for part in record.model_breakdown:
            model = _short(part.model)
            use = uses.setdefault(
                (person.id, CLAUDE_CODE, model), _Use(person, CLAUDE_CODE, model, "estimated")
            )
            if is_usd(part.estimated_cost.currency):
                use.amounts.append(usd_from_cents(Decimal(part.estimated_cost.amount)))
            tokens = part.tokens
            use.count(
                uncached_input_tokens=tokens.input,
                cached_input_tokens=tokens.cache_read,
                cache_creation_input_tokens=tokens.cache_creation,
                output_tokens=tokens.output,
                total_tokens=tokens.input + tokens.cache_read + tokens.cache_creation + tokens.output,
            )


def _by_terminal(
    records: Iterable[Record], persons: Persons
) -> Mapping[tuple[Person, str | None, str], list[Record]]:
    by_terminal: dict[tuple[Person, str | None, str], list[Record]] = {}
    people: dict[str, Person] = {}
    for record in records:
        person = persons.of_record(record.actor)
        person = people.setdefault(person.id, person)
        by_terminal.setdefault((person, record.terminal_type, record.customer_type), []).append(record)
    return by_terminal


def _use(frame: Frame, use: _Use, *, loaded: bool) -> dict[str, Any]:
    amount = total(use.amounts) if use.amounts else None
    fields = {
        "kind": "use",
        "person": use.person.fields(),
        "bucket_complete": loaded or use.basis == "estimated",
        "product": use.product,
        "basis": use.basis,
        "amount_usd": amount,
        "amount_exact": None if amount is None else usd_text(amount),
        "list_usd": total(use.listed) if use.listed else None,
        **use.counts,
    }
    return _anthropic(frame, use.person, use.model, fields)


def _work(terminal: str | None, customer: str, records: list[Record]) -> dict[str, Any]:
    cores = [record.core_metrics for record in records]
    tools = [decisions for record in records for decisions in record.tool_actions.values()]
    return {
        "terminal": terminal,
        "customer_type": customer,
        "sessions": sum(core.num_sessions for core in cores),
        "lines": {
            "added": sum(core.lines_of_code.added for core in cores),
            "removed": sum(core.lines_of_code.removed for core in cores),
        },
        "commits": sum(core.commits_by_claude_code for core in cores),
        "pull_requests": sum(core.pull_requests_by_claude_code for core in cores),
        "edits": {
            "accepted": sum(decisions.accepted for decisions in tools),
            "rejected": sum(decisions.rejected for decisions in tools),
        },
        "estimated_usd": total(_dollars(part) for record in records for part in record.model_breakdown),
    }


def _dollars(part: ModelUse) -> Usd:
    estimate = part.estimated_cost
    return usd_from_cents(Decimal(estimate.amount)) if is_usd(estimate.currency) else usd("0")


def _anthropic(frame: Frame, person: Person, model: str | None, fields: dict[str, Any]) -> dict[str, Any]:
    """With the person's team: the first that names the user, the service account or the key."""
    is_key = person.type == "api_key"
    team = frame.names.team_of({"api_key_id" if is_key else "account_id": person.account or person.id})
    shared: dict[str, Any] = {"model": model, "people": fields}
    if is_key:
        shared["api_key"] = {"id": person.id, "name": frame.names.api_keys.get(person.id)}
    return shared | ({"team": team} if team else {})


def _gen_ai(model: str | None) -> dict[str, Any]:
    return {"request": {"model": model}} if model else {}


def _short(model: str) -> str:
    """The analytics reports name models without the day of their snapshot."""
    return _SNAPSHOT.sub("", model)
