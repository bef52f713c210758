"""List prices from which the simulated bill is made, in dollars per million tokens.

Source: the vendor's public pricing page. They make the simulated costs believable; nothing outside the
simulator may read them, because a real organization's prices are learned from its own bill.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

TOKEN_TYPES = (
    "uncached_input_tokens",
    "cache_read_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
    "output_tokens",
)
WEB_SEARCH_CENTS = Decimal(1)  # $10 per 1,000 requests
CODE_EXECUTION_CENTS = Decimal(5)  # $0.05 per container hour
_CENTS_PER_TOKEN = Decimal(100) / Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Model:
    """A model's id, its name in descriptions and its prices in the order of `TOKEN_TYPES`."""

    id: str
    name: str
    prices: tuple[Decimal, ...]
    long_context: tuple[Decimal, ...] | None = None

    def price(self, token_type: str, window: str) -> Decimal:
        prices = self.long_context if self.long_context and window == "200k-1M" else self.prices
        return prices[TOKEN_TYPES.index(token_type)]


def _prices(text: str) -> tuple[Decimal, ...]:
    """Input, cache read, 5m write, 1h write, output."""
    return tuple(Decimal(part) for part in text.split())


MODELS = {
    model.id: model
    for model in (
        Model("claude-fable-5-2", "Claude Fable 5.2", _prices("8 0.20 10 16 40")),
        Model("claude-opus-5-5", "Claude Opus 5.5", _prices("4 0.20 5 8 20")),
        Model("claude-opus-4-8", "Claude Opus 4.8", _prices("5 0.50 6.25 10 25")),
        Model("claude-sonnet-5-5", "Claude Sonnet 5.5", _prices("2 0.10 2.5 4 10")),
        Model("claude-haiku-5-5", "Claude Haiku 5.5", _prices("0.10 0.01 0.125 0.20 0.50")),
        Model(
            "claude-sonnet-4-5-20250929",
            "Claude Sonnet 4.5",
            _prices("3 0.30 3.75 6 15"),
            long_context=_prices("6 0.60 7.50 12 22.5"),
        ),
        Model("claude-haiku-4-5-20251001", "Claude Haiku 4.5", _prices("1 0.10 1.25 2 5")),
    )
}


def token_cents(
    model: str, token_type: str, tokens: int, *, tier: str, window: str, geo: str, speed: str | None
) -> Decimal:
    """What `tokens` of one type cost, in exact fractional cents."""
    cents = MODELS[model].price(token_type, window) * tokens * _CENTS_PER_TOKEN
    if tier == "batch":
        cents *= Decimal("0.5")
    if geo == "us":
        cents *= Decimal("1.1")
    if speed == "fast":
        cents *= 2
    return cents
