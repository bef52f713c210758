"""A digest as text, as Slack's blocks and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from anthropic_metrics.alerts.webhooks import escaped
from anthropic_metrics.budgets.board import budget_body
from anthropic_metrics.budgets.state import BudgetState
from anthropic_metrics.digest.content import Digest, Mover, UnusedKey
from anthropic_metrics.kernel.ranges import iso
from anthropic_metrics.spend.money import dollars

# Slack takes no longer text in a section.
_LONGEST_BLOCK = 3000
Section = tuple[str, list[str]]


def title(digest: Digest) -> str:
    """The first line."""
    days = (digest.time_range.end - digest.time_range.start).days
    when = "on" if days == 1 else f"in the {days} days from"
    return f"{digest.organization}: {_usd(digest.usd)} {when} {digest.time_range.start:%Y-%m-%d} (UTC)"


def sections(digest: Digest) -> Iterator[Section]:
    """Headings with their lines; what there is nothing to say about is left out."""
    change = digest.usd - digest.before
    lines = [f"{_usd(digest.usd)}, {_signed(change)} against the period before ({_usd(digest.before)})."]
    if digest.estimated_usd:
        lines.append(f"{_usd(digest.estimated_usd)} of it are estimated: their days are not settled yet.")
    if digest.forecast is not None:
        seen = digest.forecast
        young = " Few days of history: the band is an assumption." if seen.is_young else ""
        lines.append(
            f"The month is expected to end at {_usd(seen.expected)} "
            f"(80 %: {_usd(seen.low)} to {_usd(seen.high)}).{young}"
        )
    if digest.begins is not None:
        lines.append(f"The stream begins on {digest.begins}: earlier days count as zero here.")
    if digest.ends is not None:
        lines.append(f"Usage is read up to {digest.ends:%Y-%m-%d %H:%M} UTC: later use is not counted here.")
    if not digest.is_month_whole:
        lines.append("The month is not counted from its first day, so it has no forecast.")
    yield "Spend", lines
    yield "Movers", [_moved(mover) for mover in digest.movers]
    yield "Budgets", [*map(_budget, digest.budgets), *filter(None, [digest.limits_trouble])]
    saved = [f"The cache saved {_usd(digest.cache_saved_usd)}."] if digest.cache_saved_usd > 0 else []
    yield "Cache and batch", [*saved, *_opportunities(digest)]
    unused = ", ".join(f"{key.name} ({_last_used(key)})" for key in digest.unused_keys)
    yield "Keys without use in 30 days", [unused] if unused else []
    if digest.drift is not None:
        yield "Estimates", [f"Estimates of the last settled days were off by {digest.drift:+.1%}."]


def text(digest: Digest) -> str:
    """For a terminal, and for what shows plain text."""
    parts = [title(digest)]
    for heading, lines in sections(digest):
        if lines:
            parts += ["", heading, *(f"  {line}" for line in lines)]
    return "\n".join(parts)


def slack(digest: Digest) -> dict[str, Any]:
    """Slack's blocks, with the text that notifications show."""
    blocks: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": _cut(title(digest), 150)}}
    ]
    for heading, lines in sections(digest):
        if lines:
            body = "\n".join([f"*{heading}*", *(escaped(line) for line in lines)])
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": _cut(body, _LONGEST_BLOCK)}})
    return {"text": escaped(title(digest)), "blocks": blocks}


def body(digest: Digest) -> dict[str, Any]:
    """The digest as JSON, for plain webhooks."""
    seen = digest.forecast
    return {
        "event": "digest",
        "organization": digest.organization,
        "start": iso(digest.time_range.start),
        "end": iso(digest.time_range.end),
        "usd": round(digest.usd, 6),
        "estimated_usd": round(digest.estimated_usd, 6),
        "before_usd": round(digest.before, 6),
        "movers": [
            {"name": mover.name, "usd": round(mover.usd, 6), "before_usd": round(mover.before, 6)}
            for mover in digest.movers
        ],
        "budgets": [budget_body(state) for state in digest.budgets],
        "forecast": seen and {"expected": seen.expected, "low": seen.low, "high": seen.high},
        "cache_saved_usd": round(digest.cache_saved_usd, 6),
        "opportunities": [
            {"kind": one.kind, "api_key": one.key, "usd": round(one.usd, 6)} for one in digest.opportunities
        ],
        "unused_keys": [
            {"name": key.name, "last_used": key.last_used and iso(key.last_used)}
            for key in digest.unused_keys
        ],
        "estimate_drift": digest.drift,
        "text": text(digest),
    }


def _opportunities(digest: Digest) -> Iterator[str]:
    for one in digest.opportunities:
        less = f"{_usd(one.usd)} less if"
        if one.kind == "cache":
            yield f"{one.key}: about {less} half of its uncached input came from a cache."
        else:
            yield f"{one.key}: up to {less} its standard tier ran as batches."


def _last_used(key: UnusedKey) -> str:
    return "never used" if key.last_used is None else f"last used {key.last_used:%Y-%m-%d}"


def _moved(mover: Mover) -> str:
    return f"{mover.name}: {_usd(mover.usd)}, {_signed(mover.change)}."


def _budget(state: BudgetState) -> str:
    if state.problem:
        return state.problem
    spent, limit = f"{state.spent:,.0f}", f"{state.limit:,.0f} tokens"
    if state.unit == "usd":
        spent, limit = f"${dollars(state.spent)}", f"${dollars(state.limit)}"
    figures = f"{spent} of {limit}, {state.used:.0%}"
    words = f"{state.name} ({state.label}): {figures}"
    out = f"; runs out on {state.runs_out:%Y-%m-%d}" if state.runs_out else ""
    part = "" if state.is_complete else "; nothing is counted yet"
    if state.counted_from is not None:
        part = f"; counted only from {state.counted_from} on"
    return f"{words}{', exceeded' if state.state == 'exceeded' else out}{part}."


def _usd(value: float) -> str:
    return f"${dollars(Decimal(value))}"


def _signed(change: float) -> str:
    return f"{'+' if change >= 0 else '-'}{_usd(abs(change))}"


def _cut(words: str, longest: int) -> str:
    return words if len(words) <= longest else words[: longest - 3] + "..."
