"""The two bucketed reports: their parameters, which buckets a page holds, and how a page is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from .clock import DAY, WIDTHS, ceil, epoch, floor, iso
from .costs import cost_rows
from .parameters import choice, instant, known, one_of, whole_number
from .requests import Answer, Refusal, Request, dump
from .series import DIMENSIONS, LONG, SHORT
from .simulation import Simulation
from .tokens import PageTokens

OpenBucket = Literal["omit", "partial", "error"]

LIMITS = {"1d": (7, 31), "1h": (24, 168), "1m": (60, 1440)}
FAST_MODE = "fast-mode-2026-02-01"
NO_WHOLE_BUCKET = "ending date must be after starting date"
TOO_MANY_DIMENSIONS = "Cannot specify more than 5 group_by[] dimensions."

_FILTERS = {
    "models[]": "model",
    "workspace_ids[]": "workspace_id",
    "api_key_ids[]": "api_key_id",
    "account_ids[]": "account_id",
    "service_account_ids[]": "service_account_id",
    "service_tiers[]": "service_tier",
    "context_window[]": "context_window",
    "inference_geos[]": "inference_geo",
    "speeds[]": "speed",
}
_VALUES = {
    "service_tiers[]": ("standard", "batch", "priority", "priority_on_demand", "flex", "flex_discount"),
    "context_window[]": (SHORT, LONG),
    "inference_geos[]": ("global", "us", "not_available"),
    "speeds[]": ("standard", "fast"),
}


@dataclass(frozen=True, slots=True)
class _Buckets:
    """Bucket starts from `start` up to `end` (epoch seconds), `limit` of them a page."""

    start: int
    end: int
    width: int
    limit: int


def usage_report(
    simulation: Simulation, tokens: PageTokens, open_bucket: OpenBucket, request: Request
) -> Answer:
    """`/usage_report/messages`: one entry per bucket, also where nothing was used."""
    known(request, ("starting_at", "ending_at", "bucket_width", "limit", "page"), ("group_by[]", *_FILTERS))
    group_by = request.all("group_by[]")
    one_of("group_by[]", group_by, DIMENSIONS)
    if len(set(group_by)) > 5:
        raise Refusal(400, TOO_MANY_DIMENSIONS)
    if ("speed" in group_by or request.all("speeds[]")) and not _has_beta(request, FAST_MODE):
        raise Refusal(400, f"group_by[]: speed requires the anthropic-beta header {FAST_MODE}")
    grouping = simulation.grouping(group_by, _filters(simulation, request))
    name = choice(request, "bucket_width", WIDTHS) or "1d"
    buckets = _range(request, name, floor, open_bucket)

    def bucket(begin: int) -> str:
        ((_, cells),) = simulation.usage_cells(begin, begin + buckets.width, buckets.width, request.at)
        return grouping.text(grouping.fold(cells))

    return _page(tokens, request, buckets, bucket)


def cost_report(
    simulation: Simulation, tokens: PageTokens, open_bucket: OpenBucket, request: Request
) -> Answer:
    """`/cost_report`: whole UTC days only."""
    known(request, ("starting_at", "ending_at", "bucket_width", "limit", "page"), ("group_by[]",))
    group_by = request.all("group_by[]")
    one_of("group_by[]", group_by, ("workspace_id", "description"))
    choice(request, "bucket_width", ("1d",))
    buckets = _range(request, "1d", ceil, open_bucket)

    def bucket(begin: int) -> str:
        return dump(cost_rows(simulation.cost_lines(begin, request.at), group_by)).decode()[1:-1]

    return _page(tokens, request, buckets, bucket)


def _range(
    request: Request, name: str, snap: Callable[[datetime, int], int], open_bucket: OpenBucket
) -> _Buckets:
    width, (default, largest) = WIDTHS[name], LIMITS[name]
    limit = whole_number(request, "limit", default, largest)
    starting = instant(request, "starting_at")
    if starting is None:
        raise Refusal(400, "starting_at: Field required")
    now = request.at
    ending = instant(request, "ending_at")
    start = snap(starting, width)
    until = now if ending is None else ending
    if until <= starting and ending is not None:
        raise Refusal(400, NO_WHOLE_BUCKET)
    if width == DAY and snap is ceil and (start >= floor(until, width)):
        raise Refusal(400, NO_WHOLE_BUCKET)
    closed = floor(now, width)
    if open_bucket == "partial" and epoch(now) > closed:
        closed += width  # the bucket that is still open, as far as it goes
        end = closed if ending is None else min(closed, floor(ending, width))
    else:
        end = min(closed, floor(until, width))
    if open_bucket == "error" and end <= start:
        raise Refusal(400, NO_WHOLE_BUCKET)
    return _Buckets(start, max(start, end), width, limit)


def _page(tokens: PageTokens, request: Request, buckets: _Buckets, bucket: Callable[[int], str]) -> Answer:
    position = tokens.read(request)
    begin, end = (buckets.start, buckets.end) if position is None else position
    last = min(end, begin + buckets.limit * buckets.width)
    entries = [
        f'{{"starting_at":"{iso(at)}","ending_at":"{iso(at + buckets.width)}","results":[{bucket(at)}]}}'
        for at in range(begin, last, buckets.width)
    ]
    more = last < end
    following = f'"{tokens.make(request, [last, end])}"' if more else "null"
    body = (
        f'{{"data":[{",".join(entries)}],"has_more":{"true" if more else "false"},"next_page":{following}}}'
    )
    return Answer(200, body.encode())


def _filters(simulation: Simulation, request: Request) -> dict[str, list[str | None]]:
    """Filter values by dimension; the default workspace is asked for by its real id, and reported as null."""
    default = {
        workspace.id for workspace in simulation.organization(request.at).workspaces if workspace.default
    }
    filters: dict[str, list[str | None]] = {}
    for parameter, dimension in _FILTERS.items():
        values = request.all(parameter)
        if parameter in _VALUES:
            one_of(parameter, values, _VALUES[parameter])
        filters[dimension] = [None if value in default else value for value in values]
    return filters


def _has_beta(request: Request, name: str) -> bool:
    return name in [beta.strip() for beta in request.headers.get("anthropic-beta", "").split(",")]


def page_before(request: Request, tokens: PageTokens, answer: Answer) -> str | None:
    """A token that leads to the very page that `answer` is, None for an answer without buckets."""
    page = answer.json()
    data = page.get("data")
    if not data or "starting_at" not in data[0]:
        return None
    begin = _seconds(data[0]["starting_at"])
    following = page.get("next_page")
    end = tokens.position(following)[1] if following else _seconds(data[-1]["ending_at"])
    return tokens.make(request, [begin, end])


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())
