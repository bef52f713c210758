"""Reads the body of an answer within bounds, however small it is on the wire."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic_core import from_json

__all__ = ["Allowance", "TooLarge", "read_body", "read_json"]

_COMPRESSED = ("gzip", "x-gzip", "deflate")
_EITHER_HEADER = 32 + zlib.MAX_WBITS  # zlib finds out whether it is gzip or zlib


@dataclass(slots=True)
class Allowance:
    """How many more bytes may be read for one question: an answer, or all pages of a list.

    None until the client fills in what its configuration allows.
    """

    left: int | None = None


class TooLarge(Exception):
    """There is more than the allowance; nothing beyond it is in memory."""


def read_body(response: httpx.Response, most: int, on_chunk: Callable[[], object]) -> bytearray:
    """The decompressed body of at most `most` bytes; `on_chunk` is called for each piece that arrives.

    Raises TooLarge, httpx.DecodingError for what is not the compression that the header names, what
    `on_chunk` raises, and httpx.RequestError.
    """
    body = bytearray()
    for piece in _pieces(response, most):
        on_chunk()
        body += piece
        if len(body) > most:
            raise TooLarge
    return body


def read_json(body: bytes | bytearray) -> Any:
    """The value of a JSON text; equal texts are one object. Raises ValueError."""
    return from_json(body, allow_inf_nan=False, cache_strings="all")


def _pieces(response: httpx.Response, most: int) -> Iterator[bytes]:
    if response.is_stream_consumed:  # a transport that makes whole answers
        yield response.content
        return
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        yield from response.iter_raw()
        return
    if encoding not in _COMPRESSED:
        raise httpx.DecodingError(f"the answer is compressed with {encoding[:40]!r}, which was not asked for")
    decompressor = zlib.decompressobj(_EITHER_HEADER)
    try:
        for compressed in response.iter_raw():
            # One byte more than is allowed tells that there is more; the rest stays compressed.
            yield decompressor.decompress(compressed, most + 1)
    except zlib.error as error:
        raise httpx.DecodingError(f"the answer is not valid {encoding}") from error
    if not decompressor.eof:
        raise httpx.DecodingError("the compressed answer breaks off")
