"""The one recipe of digests: BLAKE2b, 128 bits unless a shorter name will do.

The `_id` and the `event.hash` of every document are made here: another recipe would write each document anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b

SIZE = 16  # bytes
_LOWEST_64 = 2**64 - 1


class Digest:
    """A digest of what is added to it, piece by piece."""

    __slots__ = ("_state",)

    def __init__(self, said: bytes = b"") -> None:
        self._state = blake2b(said, digest_size=SIZE)

    def with_more(self, said: bytes) -> str:
        """The digest of what was added so far and `said`, as hexadecimal text; nothing is added for good."""
        state = self._state.copy()
        state.update(said)
        return state.hexdigest()


def digest(said: str | bytes) -> bytes:
    """The 16 bytes of the digest."""
    return blake2b(_bytes(said), digest_size=SIZE).digest()


def hex_digest(said: str | bytes, size: int = SIZE) -> str:
    """The digest as hexadecimal text, of `size` bytes."""
    return blake2b(_bytes(said), digest_size=size).hexdigest()


def digest_of_values(*values: object) -> str:
    """The digest of values that JSON can hold, as hexadecimal text: the `_id` of a record."""
    return hex_digest(json.dumps(values))


def keyed_digest(secret: str, key: str) -> str:
    """64 bits that tell secrets apart and do not tell the secret; other ones under another `key`."""
    return blake2b(secret.encode(), digest_size=8, key=key.encode()[:64]).hexdigest()


def fingerprint(counts: Mapping[str, int]) -> int:
    """64 bits for hashes of documents and how often each comes, good for this process only.

    The sum of the fingerprints of parts, cut to 64 bits by `summed`, is that of the whole.
    """
    # In a tuple: Python's hash of "", which stands for a document without a hash, is 0.
    return summed(hash((said,)) * count for said, count in counts.items())


def summed(fingerprints: Iterable[int]) -> int:
    """The fingerprint of all of them together."""
    return sum(fingerprints) & _LOWEST_64


def _bytes(said: str | bytes) -> bytes:
    return said.encode() if isinstance(said, str) else said
