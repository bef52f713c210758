"""Follows pages to their end and trusts none of them: a window is read whole and in order, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any

from anthropic_metrics.admin_api.client import AdminClient, Parse
from anthropic_metrics.admin_api.cut import Piece, page_without_buckets, pieces
from anthropic_metrics.admin_api.pacing import Priority
from anthropic_metrics.body import Allowance, read_json
from anthropic_metrics.errors import BadRequest, BrokenContract, RetryLater
from anthropic_metrics.kernel.ranges import WIDTHS, Width, iso

__all__ = [
    "Bucket",
    "BucketQuery",
    "Params",
    "Seen",
    "broken",
    "instant",
    "read_buckets",
    "read_entries",
    "read_list",
]

Params = tuple[tuple[str, str], ...]

# More empty pages in a row than any answer has reason for: paging that would never end.
_MOST_EMPTY_PAGES = 100
# More pages than any list has reason for: each may hold a thousand entries, each report a window of buckets.
_MOST_PAGES = 2_000

# "ending date must be after starting date": how the API says that a range holds no whole bucket yet.
_NOTHING_YET = re.compile(r"\bend\w*[ _]\w+ (must|should|has to) be (after|later|greater)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class BucketQuery:
    """One question to a report by buckets. `start` and `end` are aware and lie on the width's grid (UTC)."""

    path: str
    start: datetime
    end: datetime
    width: Width
    page_limit: int
    group_by: tuple[str, ...] = ()
    filters: Params = ()
    headers: Params = ()

    def params(self) -> Params:
        """The query parameters, without the page token. Page tokens are bound to exactly these."""
        return (
            ("starting_at", _text(self.start)),
            ("ending_at", _text(self.end)),
            ("bucket_width", self.width),
            ("limit", str(self.page_limit)),
            *(("group_by[]", dimension) for dimension in self.group_by),
            *self.filters,
        )


class Bucket:
    """One interval, [start, end) in UTC, with its rows as received: `parse_rows` judges them.

    `digest` tells its text from others, in this process; None where it is not known. A bucket with a text
    keeps that, a quarter of the size of its rows, and parses them each time they are asked for.
    """

    __slots__ = ("_rows", "_text", "count", "digest", "end", "start")

    def __init__(
        self,
        start: datetime,
        end: datetime,
        rows: list[dict[str, Any]] | None = None,
        *,
        count: int = 0,
        text: bytes = b"",
        digest: int | None = None,
    ) -> None:
        self.start, self.end, self.digest = start, end, digest
        self.count = count if rows is None else len(rows)
        self._rows, self._text = rows, text

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as received."""
        rows = self._rows
        return read_json(self._text)["results"] or [] if rows is None else rows

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Bucket):
            return NotImplemented
        return (self.start, self.end, self.rows) == (other.start, other.end, other.rows)

    __hash__ = None  # type: ignore[assignment]  # its end may move


Seen = Callable[[datetime, int], int | None]
"""How many rows a bucket's text has, by its start and digest, if it was seen before; else None."""


def read_buckets(
    client: AdminClient,
    query: BucketQuery,
    *,
    priority: Priority = Priority.LIVE,
    on_page: Callable[[], object] | None = None,
    seen: Seen | None = None,
) -> Iterator[Bucket]:
    """The buckets of the range, ascending, empty ones too, page by page as they are asked for.

    Each lies inside [start, end), on the grid, and comes once. The open bucket may be missing or cut off at
    the present; a range that the API says holds no whole bucket yields nothing. Raises BrokenContract when
    the answer contradicts itself and whatever `AdminClient.get` raises: what was yielded until then is not
    the whole window. `on_page` is called for each page. Buckets whose text `seen` knows are not parsed.
    """
    width = WIDTHS[query.width]
    floor, end = query.start, query.end
    try:
        on_body = None if on_page is None else lambda _: on_page()
        parse = None if seen is None else partial(_cut, seen)
        entries = read_entries(client, query.path, query.params(), query.headers, priority, on_body, parse)
        for entry in entries:
            bucket = _bucket(entry, query.path)
            if bucket.start < bucket.end < bucket.start + width == end:
                bucket.end = end  # the open bucket, told as far as it has got
            if bucket.start < floor or bucket.end > end or bucket.end - bucket.start != width:
                raise _refusal(bucket, query, floor)
            if bucket.start.timestamp() % width.total_seconds():
                where = f"bucket {iso(bucket.start, 'seconds')}"
                raise broken(query.path, f"{where} does not lie on the grid of {query.width}")
            floor = bucket.end
            yield bucket
    except BadRequest as refusal:
        if not (refusal.status == 400 and _NOTHING_YET.search(refusal.message)):
            raise


def read_list(
    client: AdminClient,
    path: str,
    params: Sequence[tuple[str, str]] = (),
    *,
    headers: Sequence[tuple[str, str]] = (),
    priority: Priority = Priority.LIVE,
) -> Iterator[Any]:
    """The entries of a list as received, over all pages, whichever of the API's two ways of paging it has.

    Raises BrokenContract for paging that contradicts itself and whatever `AdminClient.get` raises.
    """
    return read_entries(client, path, tuple(params), tuple(headers), priority)


def read_entries(
    client: AdminClient,
    path: str,
    params: Params,
    headers: Params,
    priority: Priority,
    on_body: Callable[[dict[str, Any]], object] | None = None,
    parse: Parse | None = None,
) -> Iterator[Any]:
    """The entries of all pages of an answer. `on_body` is called with every page before its entries come.

    Raises BrokenContract for paging that contradicts itself and whatever `AdminClient.get` raises.
    """
    seen: set[Params] = set()
    allowance = Allowance()
    following: Params = ()
    empty = 0
    while True:
        if len(seen) >= _MOST_PAGES:
            raise broken(path, f"more than {_MOST_PAGES:,} pages")
        body = _get(
            client, path, params + following, headers, priority, allowance, parse, is_first=not following
        )
        if on_body:
            on_body(body)
        data = body.get("data", ())
        data = [] if data is None else data  # null is empty
        if not isinstance(data, list):
            raise broken(path, "a page without a list `data`")
        following = _next(body, path)
        empty = 0 if data else empty + 1
        if following in seen or empty > _MOST_EMPTY_PAGES:
            raise broken(path, "a page token came twice" if following in seen else "empty pages without end")
        seen.add(following)
        yield from data
        del body, data  # only one page at a time is in memory
        if not following:
            return


def _get(
    client: AdminClient,
    path: str,
    params: Params,
    headers: Params,
    priority: Priority,
    allowance: Allowance,
    parse: Parse | None,
    *,
    is_first: bool,
) -> Any:
    try:
        return client.get(
            path, params, headers=dict(headers), priority=priority, allowance=allowance, parse=parse
        )
    except BadRequest as refusal:
        if refusal.status != 400 or is_first:
            raise
        # The same query was good a page ago: only its token can have expired.
        message = f"Reading {path} has to start again, its page token was refused. {refusal.message}"
    raise RetryLater(message)


def _next(body: dict[str, Any], path: str) -> Params:
    """The parameter that asks for the next page; nothing after the last one."""
    more = body.get("has_more")
    if more is False:
        return ()
    for name, source in (("page", "next_page"), ("after_id", "last_id")):
        token = body.get(source)
        # Without has_more only next_page announces a page: last_id is also there on the last one.
        if isinstance(token, str) and token and (more is True or name == "page"):
            return ((name, token),)
    if more is None and body.get("next_page") in (None, ""):
        return ()
    raise broken(
        path, "has_more without a next page" if more is True else "an unreadable has_more or next_page"
    )


def _cut(seen: Seen, body: bytes | bytearray) -> Any:
    """The page, with buckets in place of its entries; as it is where it cannot be cut. Raises ValueError."""
    try:
        return page_without_buckets(body) | {"data": [_of_text(piece, seen) for piece in pieces(body)]}
    except (ValueError, TypeError, KeyError, OverflowError):
        return read_json(body)


def _of_text(piece: Piece, seen: Seen) -> Bucket:
    start, end, digest = instant(piece.start), instant(piece.end), hash(piece.text)
    count = seen(start, digest)
    if count is None:
        count = len(read_json(piece.text)["results"])
    return Bucket(start, end, count=count, text=piece.text, digest=digest)


def _bucket(entry: Any, path: str) -> Bucket:
    if isinstance(entry, Bucket):
        return entry
    try:
        start, end, rows = entry["starting_at"], entry["ending_at"], entry["results"]
        rows = [] if rows is None else rows  # null is empty
        if isinstance(rows, list):
            return Bucket(instant(start), instant(end), rows)
    except (KeyError, TypeError, ValueError, OverflowError):
        pass
    raise broken(path, "an entry that is not a bucket (starting_at, ending_at, results)")


@lru_cache(maxsize=8192)
def instant(text: str) -> datetime:
    """A bucket's bound. Raises ValueError or TypeError for what is no time with a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return moment.astimezone(UTC)


def _refusal(bucket: Bucket, query: BucketQuery, floor: datetime) -> BrokenContract:
    bucket_range = f"bucket {iso(bucket.start, 'seconds')} to {iso(bucket.end, 'seconds')}"
    if bucket.end - bucket.start != WIDTHS[query.width]:
        return broken(query.path, f"{bucket_range} is not {query.width} wide")
    if query.start <= bucket.start < floor:
        return broken(query.path, f"{bucket_range} came twice or out of order")
    wanted = f"{iso(query.start, 'seconds')} to {iso(query.end, 'seconds')}"
    return broken(query.path, f"{bucket_range} is outside the requested range {wanted}")


def broken(path: str, what: str) -> BrokenContract:
    """What to raise when an answer contradicts itself."""
    return BrokenContract(f"The Admin API's answer to {path} contradicts itself: {what}.")


def _text(moment: datetime) -> str:
    return iso(moment, "seconds")
