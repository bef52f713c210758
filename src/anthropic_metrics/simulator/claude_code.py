"""The Claude Code analytics report: what each person did with Claude Code on a UTC day."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from .clock import DAY, HOUR, epoch, floor, iso, moment
from .identity import share
from .organization import user_emails
from .parameters import known, whole_number
from .prices import MODELS, TOKEN_TYPES, token_cents
from .requests import Answer, Refusal, Request, dump
from .series import DIMENSIONS
from .simulation import Simulation
from .tokens import PageTokens
from .traffic import ZERO, Cell, add

# "Only data older than an hour is included."
LAG = timedelta(hours=1)
_LARGEST_LIMIT, _DEFAULT_LIMIT = 1000, 20
_TERMINALS = ("vscode", "iTerm.app")
_TOKENS_OF_A_SESSION, _TOKENS_OF_A_LINE = 400_000, 900
_TOOLS = ("edit_tool", "multi_edit_tool", "write_tool", "notebook_edit_tool")


@dataclass(frozen=True, slots=True)
class _Work:
    """One person's tokens of one model on the day."""

    person: str
    model: str
    geo: str
    window: str
    cell: Cell = ZERO


def is_claude_code(series: Mapping[str, str | None]) -> bool:
    """Whether a person's use without a key is Claude Code; else it is the Console."""
    return series["account_id"] is not None and "opus" in (series["model"] or "")


def claude_code_report(simulation: Simulation, tokens: PageTokens, request: Request) -> Answer:
    """`/usage_report/claude_code`: the records of one UTC day."""
    known(request, ("starting_at", "limit", "page"))
    text = request.get("starting_at")
    if text is None:
        raise Refusal(400, "starting_at: Field required")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Refusal(400, "starting_at: must be a day such as 2026-11-24") from None
    limit = whole_number(request, "limit", _DEFAULT_LIMIT, _LARGEST_LIMIT)
    rows = claude_code_rows(simulation, day, request.at)
    begin = tokens.read(request) or 0
    more = begin + limit < len(rows)
    body = {
        "data": rows[begin : begin + limit],
        "has_more": more,
        "next_page": tokens.make(request, begin + limit) if more else None,
    }
    return Answer(200, dump(body))


def claude_code_rows(simulation: Simulation, day: date, at: datetime) -> list[dict[str, Any]]:
    """The records of a UTC day as the report has them at `at`: a person's day is one, with one terminal."""
    start = int(epoch(datetime.combine(day, time(), UTC)))
    end = min(start + DAY, floor(at - LAG, HOUR))
    people: dict[str, list[_Work]] = {}
    for work in _works(simulation, start, end) if start < end else ():
        people.setdefault(work.person, []).append(work)
    return [_record(simulation, start, person, works) for person, works in sorted(people.items())]


def _works(simulation: Simulation, start: int, end: int) -> Iterator[_Work]:
    works: dict[tuple[str, str], _Work] = {}
    for _, cells in simulation.usage_cells(start, end, HOUR, moment(end)):
        for place, cell in enumerate(cells):
            series = dict(zip(DIMENSIONS, simulation.edits.dimensions[place], strict=True))
            person, model = series["account_id"], series["model"]
            if cell is None or person is None or model not in MODELS or not is_claude_code(series):
                continue
            key = (person, model)
            plain = _Work(person, model, series["inference_geo"] or "", series["context_window"] or "")
            before = works.setdefault(key, plain)
            works[key] = replace(before, cell=add(before.cell, cell))
    yield from works.values()


def _record(simulation: Simulation, start: int, person: str, works: list[_Work]) -> dict[str, Any]:
    total = sum(sum(work.cell[:5]) for work in works)
    part = [
        share(simulation.seed, "claude_code", person, start, name) for name in (*_TOOLS, "lines", "commits")
    ]
    lines = int(total / _TOKENS_OF_A_LINE * (0.5 + part[4]))
    commits = int(lines / 200 * part[5])
    tools = {
        tool: {"accepted": int(lines / 20 * value), "rejected": int(lines / 90 * value)}
        for tool, value in zip(_TOOLS, part, strict=False)
    }
    return {
        "date": iso(start),
        "actor": {"type": "user_actor", "email_address": user_emails(simulation.seed)[person]},
        "organization_id": simulation.organization().id,
        "customer_type": "api",
        "terminal_type": _TERMINALS[int(share(simulation.seed, "terminal", person) * len(_TERMINALS))],
        "core_metrics": {
            "num_sessions": 1 + total // _TOKENS_OF_A_SESSION,
            "lines_of_code": {"added": lines, "removed": lines // 3},
            "commits_by_claude_code": commits,
            "pull_requests_by_claude_code": commits // 4,
        },
        "tool_actions": tools,
        "model_breakdown": [_by_model(work) for work in works],
    }


def _by_model(work: _Work) -> dict[str, Any]:
    cell = work.cell
    cents = Decimal(0)
    for kind, count in zip(TOKEN_TYPES, cell, strict=False):
        if count:
            cents += token_cents(
                work.model, kind, count, tier="standard", window=work.window, geo=work.geo, speed="standard"
            )
    return {
        "model": work.model,
        "tokens": {
            "input": cell[0],
            "output": cell[4],
            "cache_read": cell[1],
            "cache_creation": cell[2] + cell[3],
        },
        "estimated_cost": {"currency": "USD", "amount": float(round(cents, 4))},
    }
