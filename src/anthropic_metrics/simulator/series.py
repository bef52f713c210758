"""The traffic series of the organization: who uses what, how much, and when in the week."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .organization import DELETED_KEY, LEGACY_LIVES, Organization, api_key_id, service_account_id, user_id

DIMENSIONS = (
    "api_key_id",
    "workspace_id",
    "model",
    "service_tier",
    "context_window",
    "inference_geo",
    "speed",
    "account_id",
    "service_account_id",
)
Dimensions = tuple[str | None, ...]

SHORT, LONG = "0-200k", "200k-1M"

# Per cent of the peak in each UTC hour of a weekday, then the factor for a day of the weekend.
_HOURS = {
    "office": ("2 1 0 0 0 2 10 35 75 95 100 95 70 85 100 95 85 60 35 20 15 10 6 4", 0.06),
    "product": ("45 40 36 35 36 40 50 62 75 85 90 93 95 98 100 100 98 95 93 90 82 70 60 50", 0.7),
    "night": ("60 100 100 90 70 30 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 30", 1.0),
    "steady": ("80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80 80", 0.9),
}
SHAPES = {
    name: (tuple(int(part) / 100 for part in hours.split()), weekend)
    for name, (hours, weekend) in _HOURS.items()
}


@dataclass(frozen=True, slots=True)
class Series:
    """One line of traffic. `volume` is input tokens of all kinds in a peak hour; the cache shares are
    parts of it, `output` is output tokens per input token, `searches` web searches per million of it,
    `density` the share of minutes with any traffic. It ends after `lives`, a share of the history that there
    was at the start."""

    name: str
    dimensions: Dimensions
    shape: str
    volume: int
    cache: tuple[float, float, float]
    output: float
    searches: float = 0.0
    density: float = 0.9
    lives: float | None = None
    runaway: bool = False


# Shares of cache reads, 5m writes, 1h writes: teams differ in how well they cache.
_GOOD, _FAIR, _POOR, _NONE = (0.82, 0.05, 0.01), (0.45, 0.08, 0.0), (0.12, 0.1, 0.0), (0.0, 0.0, 0.0)
_HOURLY = (0.7, 0.01, 0.06)

_FABLE, _OPUS, _OPUS_4, _SONNET = (
    "claude-fable-5-2",
    "claude-opus-5-5",
    "claude-opus-4-8",
    "claude-sonnet-5-5",
)
_HAIKU, _SONNET_4, _HAIKU_4 = "claude-haiku-5-5", "claude-sonnet-4-5-20250929", "claude-haiku-4-5-20251001"
_UNKNOWN = "not_available"  # older models do not say where they ran

# key, model, tier, geo, shape, volume, cache, output, and what differs from the usual
_Row = tuple[str, str, str, str, str, int, tuple[float, float, float], float, dict[str, Any]]
_PRODUCTION: tuple[_Row, ...] = (
    ("assistant-api", _SONNET, "standard", "global", "product", 24_000_000, _GOOD, 0.03, {"searches": 3.0}),
    ("assistant-api", _SONNET, "standard", "us", "product", 7_000_000, _GOOD, 0.03, {}),
    ("assistant-api", _SONNET, "priority", "global", "product", 1_500_000, _GOOD, 0.03, {}),
    ("assistant-api", _SONNET, "standard", "global", "office", 2_500_000, _FAIR, 0.02, {"window": LONG}),
    ("assistant-api", _HAIKU, "standard", "global", "product", 18_000_000, _GOOD, 0.05, {}),
    ("assistant-api", _OPUS, "standard", "global", "product", 5_000_000, _HOURLY, 0.06, {}),
    ("assistant-api", _OPUS, "standard", "us", "product", 1_200_000, _HOURLY, 0.06, {}),
    ("assistant-api", _OPUS, "standard", "global", "office", 500_000, _HOURLY, 0.07, {"speed": "fast"}),
    (
        "assistant-search",
        _HAIKU,
        "standard",
        "global",
        "product",
        14_000_000,
        _FAIR,
        0.02,
        {"searches": 20.0},
    ),
    (
        "assistant-search",
        _SONNET,
        "standard",
        "global",
        "product",
        3_000_000,
        _FAIR,
        0.04,
        {"searches": 60.0},
    ),
    ("assistant-search", _SONNET, "standard", "us", "product", 900_000, _FAIR, 0.04, {"searches": 55.0}),
    ("assistant-mobile", _HAIKU, "standard", "global", "product", 6_000_000, _GOOD, 0.06, {}),
    ("assistant-mobile", _HAIKU, "standard", "us", "product", 2_500_000, _GOOD, 0.06, {}),
    ("assistant-mobile", _HAIKU_4, "standard", _UNKNOWN, "product", 1_000_000, _FAIR, 0.06, {"density": 0.6}),
    ("assistant-mobile", _SONNET_4, "standard", _UNKNOWN, "product", 800_000, _FAIR, 0.05, {"density": 0.5}),
)
_STAGING: tuple[_Row, ...] = (
    ("staging-ci", _SONNET, "standard", "global", "office", 1_200_000, _FAIR, 0.05, {"density": 0.35}),
    ("staging-ci", _HAIKU, "standard", "global", "office", 2_000_000, _FAIR, 0.03, {"density": 0.4}),
    ("staging-ci", _OPUS, "standard", "global", "office", 400_000, _POOR, 0.06, {"density": 0.2}),
    ("staging-ci", _HAIKU, "batch", "global", "night", 1_500_000, _NONE, 0.05, {"density": 0.3}),
    ("staging-load-test", _HAIKU, "standard", "global", "office", 3_000_000, _NONE, 0.02, {"lives": 0.2}),
)
_RESEARCH: tuple[_Row, ...] = (
    ("eval-runner", _OPUS, "standard", "global", "office", 4_000_000, _FAIR, 0.08, {"runaway": True}),
    ("eval-runner", _OPUS_4, "standard", "global", "office", 900_000, _POOR, 0.08, {"density": 0.5}),
    ("eval-runner", _FABLE, "standard", "global", "office", 1_200_000, _FAIR, 0.1, {"density": 0.6}),
    ("eval-runner", _SONNET, "standard", "global", "office", 2_000_000, _POOR, 0.06, {"density": 0.5}),
    (
        "eval-runner",
        _SONNET_4,
        "standard",
        _UNKNOWN,
        "office",
        900_000,
        _NONE,
        0.03,
        {"window": LONG, "density": 0.2},
    ),
    (
        "notebooks",
        _OPUS,
        "standard",
        "global",
        "office",
        600_000,
        _POOR,
        0.12,
        {"density": 0.25, "searches": 8.0},
    ),
    ("notebooks", _FABLE, "standard", "global", "office", 300_000, _NONE, 0.15, {"density": 0.15}),
    ("notebooks", _SONNET, "standard", "us", "office", 350_000, _NONE, 0.12, {"density": 0.15}),
    ("nightly-batch", _SONNET, "batch", "global", "night", 30_000_000, _POOR, 0.06, {}),
    ("nightly-batch", _OPUS, "batch", "global", "night", 9_000_000, _NONE, 0.05, {}),
    ("nightly-batch", _HAIKU, "batch", "global", "night", 40_000_000, _NONE, 0.03, {}),
    ("nightly-batch", _SONNET_4, "batch", _UNKNOWN, "night", 4_000_000, _NONE, 0.04, {"density": 0.6}),
    ("nightly-batch", _FABLE, "batch", "us", "night", 1_000_000, _NONE, 0.08, {"density": 0.5}),
)
_SUPPORT: tuple[_Row, ...] = (
    ("helpdesk-bot", _SONNET, "standard", "global", "product", 5_000_000, _HOURLY, 0.04, {"searches": 4.0}),
    ("helpdesk-bot", _SONNET, "standard", "us", "product", 4_000_000, _HOURLY, 0.04, {}),
    ("helpdesk-bot", _HAIKU, "standard", "global", "product", 6_000_000, _HOURLY, 0.05, {}),
    ("helpdesk-bot", _HAIKU, "standard", "us", "product", 3_000_000, _HOURLY, 0.05, {}),
    ("helpdesk-summaries", _HAIKU, "batch", "us", "night", 8_000_000, _NONE, 0.04, {}),
    ("helpdesk-summaries", _HAIKU_4, "batch", _UNKNOWN, "night", 2_000_000, _NONE, 0.04, {"density": 0.7}),
    ("helpdesk-summaries", _SONNET, "standard", "us", "office", 700_000, _POOR, 0.08, {"density": 0.5}),
)
_LEGACY: tuple[_Row, ...] = (
    (
        "legacy-bot",
        _HAIKU_4,
        "standard",
        _UNKNOWN,
        "product",
        900_000,
        _POOR,
        0.05,
        {"lives": LEGACY_LIVES, "density": 0.6},
    ),
    (
        "legacy-bot",
        _SONNET_4,
        "standard",
        _UNKNOWN,
        "product",
        500_000,
        _POOR,
        0.05,
        {"lives": LEGACY_LIVES, "density": 0.4},
    ),
)
# Key `console` means no key at all: the Console's workbench. A key of the organization runs in the default
# workspace.
_DEFAULT: tuple[_Row, ...] = (
    ("console", _OPUS, "standard", "global", "office", 150_000, _NONE, 0.2, {"density": 0.12}),
    (
        "console",
        _SONNET,
        "standard",
        "global",
        "office",
        220_000,
        _NONE,
        0.18,
        {"density": 0.15, "searches": 15.0},
    ),
    ("console", _FABLE, "standard", "us", "office", 60_000, _NONE, 0.2, {"density": 0.05}),
    (
        DELETED_KEY,
        _HAIKU_4,
        "standard",
        _UNKNOWN,
        "steady",
        260_000,
        _NONE,
        0.05,
        {"density": 0.3, "lives": 0.67},
    ),
    (
        DELETED_KEY,
        _SONNET_4,
        "standard",
        _UNKNOWN,
        "steady",
        90_000,
        _NONE,
        0.05,
        {"density": 0.1, "lives": 0.67},
    ),
    ("finance-reports", _SONNET, "batch", "us", "night", 700_000, _NONE, 0.1, {"density": 0.3}),
    ("finance-reports", _OPUS, "standard", "us", "office", 120_000, _FAIR, 0.1, {"density": 0.1}),
)
_CONSOLE_SCIENCE: tuple[_Row, ...] = (
    ("console", _OPUS, "standard", "global", "office", 130_000, _NONE, 0.2, {"density": 0.1}),
    ("console", _FABLE, "standard", "global", "office", 90_000, _NONE, 0.2, {"density": 0.08}),
)
_BY_WORKSPACE = (
    ("Default", _DEFAULT, "dana"),
    ("Production", _PRODUCTION, "dana"),
    ("Staging", _STAGING, "dana"),
    ("Data Science", _RESEARCH, "mateo"),
    ("Data Science", _CONSOLE_SCIENCE, "mateo"),
    ("Customer Support", _SUPPORT, "amina"),
    ("Legacy Chatbot", _LEGACY, "dana"),
)


def build_series(seed: int, organization: Organization) -> tuple[Series, ...]:
    """All series of the organization, in a fixed order."""
    return tuple(_all(seed, organization))


def _all(seed: int, organization: Organization) -> Iterator[Series]:
    for workspace, rows, person in _BY_WORKSPACE:
        report_id = organization.named(workspace).report_id
        for row in rows:
            yield _series(seed, row, workspace, report_id, person)


def _series(seed: int, row: _Row, workspace: str, report_id: str | None, person: str) -> Series:
    key, model, tier, geo, shape, volume, cache, output, special = row
    rest = dict(special)
    window, speed = rest.pop("window", SHORT), rest.pop("speed", "standard")
    service = key == "finance-reports"
    values = {
        "api_key_id": None if key == "console" else api_key_id(seed, key),
        "workspace_id": report_id,
        "model": model,
        "service_tier": tier,
        "context_window": window,
        "inference_geo": geo,
        "speed": speed,
        "account_id": user_id(seed, person) if key == "console" else None,
        "service_account_id": service_account_id(seed, "finance") if service else None,
    }
    dimensions = tuple(values[name] for name in DIMENSIONS)
    name = "/".join((workspace, key, model, tier, geo, str(window), str(speed)))
    return Series(name, dimensions, shape, volume, cache, output, **rest)
