"""Stable made-up identifiers and numbers: every one is a digest of the seed and a name."""

from __future__ import annotations

import hashlib
import struct
import uuid

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def digest(*parts: object, size: int = 32) -> bytes:
    """`size` bytes that depend on all parts and on nothing else."""
    return hashlib.shake_128("\x1f".join(map(str, parts)).encode()).digest(size)


def tagged(tag: str, *parts: object) -> str:
    """An identifier in the vendor's manner, `wrkspc_01...`."""
    number = int.from_bytes(digest(tag, *parts, size=20), "big")
    letters = []
    for _ in range(22):
        number, rest = divmod(number, len(_ALPHABET))
        letters.append(_ALPHABET[rest])
    return f"{tag}_01{''.join(letters)}"


def organization_uuid(seed: int) -> str:
    return str(uuid.UUID(bytes=digest("organization", seed, size=16), version=4))


def share(*parts: object) -> float:
    """A number in [0, 1) that depends on all parts."""
    (number,) = struct.unpack("<Q", digest(*parts, size=8))
    return float(number) / 2.0**64
