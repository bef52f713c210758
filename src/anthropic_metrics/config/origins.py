"""Where values come from: variables under several names, and secrets that two origins give."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from anthropic_metrics import files
from anthropic_metrics.config.environment import LOOKALIKES, PREFIX
from anthropic_metrics.config.models import Config
from anthropic_metrics.config.organizations import read as read_organizations
from anthropic_metrics.config.problems import SECRET_KEYS, Key, dotted
from anthropic_metrics.redaction import redact

# Of two for one key the first counts.
PLAIN_VARIABLES: dict[str, Key] = {
    "ANTHROPIC_ADMIN_API_KEY": ("anthropic", "admin_key"),
    "ELASTICSEARCH_URL": ("elasticsearch", "hosts"),
    "ELASTICSEARCH_HOSTS": ("elasticsearch", "hosts"),
    "ELASTICSEARCH_API_KEY": ("elasticsearch", "api_key"),
    "ELASTICSEARCH_USERNAME": ("elasticsearch", "username"),
    "ELASTICSEARCH_PASSWORD": ("elasticsearch", "password"),
    "KIBANA_URL": ("kibana", "url"),
    "KIBANA_API_KEY": ("kibana", "api_key"),
}
# A way to give a credential puts aside the other ways that a lower layer gives.
PUTS_ASIDE = {
    "admin_key": {"admin_key_file"},
    "admin_key_file": {"admin_key"},
    "api_key": {"api_key_file", "username", "password", "password_file"},
    "api_key_file": {"api_key", "username", "password", "password_file"},
    "username": {"api_key", "api_key_file"},
    "password": {"password_file", "api_key", "api_key_file"},
    "password_file": {"password", "api_key", "api_key_file"},
    "salt": {"salt_file"},
    "salt_file": {"salt"},
}
# Addresses: beside another one, a plain variable would send a key to where nobody expects it.
_ADDRESSES = frozenset({("elasticsearch", "hosts"), ("kibana", "url")})
_ORGANIZATIONS: Key = ("organizations",)


@dataclass(frozen=True)
class Leaf:
    """One given value, where it was given, and what is wrong with it if that is known already."""

    value: Any
    origin: str
    problem: str = ""


Layer = dict[Key, Leaf]


class Loaded(NamedTuple):
    """A configuration; for each key that is given the file or the variable that gives it; and a sentence for
    each secret that two origins give differently."""

    config: Config
    origins: dict[Key, str]
    rivals: tuple[str, ...]

    def hints(self) -> Iterator[str]:
        """What has no effect, or another than its reader may expect, one sentence each."""
        yield from self.config.hints()
        yield from overlooked(self.origins)
        yield from self.rivals


def variable_name(key: Key) -> str:
    """The environment variable that overrides `key`."""
    return PREFIX + "__".join(key).upper()


def overlooked(origins: Mapping[Key, str], environ: Mapping[str, str] | None = None) -> Iterator[str]:
    """Variables under names of other programs that would give what nothing gives, one sentence each.

    `origins` is what `load_with_origins` returns.
    """
    set_keys = set(origins) | {(*key[:-1], other) for key in origins for other in PUTS_ASIDE.get(key[-1], ())}
    plain = {key: name for name, key in reversed(PLAIN_VARIABLES.items())}
    for name, key in LOOKALIKES.items():
        if (os.environ if environ is None else environ).get(name) and key not in set_keys:
            yield f"{name} is not read: {dotted(key)} is taken from {plain.get(key, variable_name(key))}."


def rivals(used: Layer, layers: Sequence[Layer]) -> Iterator[str]:
    """Each secret or address that a layer gives and another layer's, which differs, is used for."""
    in_use: dict[Key, tuple[Key, Leaf]] = {}
    for key, leaf in used.items():
        in_use.setdefault(_purpose(key), (key, leaf))
    own_keys = used.get(_ORGANIZATIONS)
    for layer in layers:
        for key, leaf in layer.items():
            if (purpose := _purpose(key)) == () or leaf.problem or leaf is used.get(key):
                continue
            value = _read(key, leaf.value)
            if not value or (key in _ADDRESSES and leaf.origin not in PLAIN_VARIABLES):
                continue
            if purpose in in_use:
                winner, chosen = in_use[purpose]
                if value != _read(winner, chosen.value):
                    ignored = f"{_named(key, leaf)}, which has another value, is ignored."
                    yield f"{_named(winner, chosen)} is used; {ignored}"
            elif purpose == ("anthropic",) and own_keys and value not in _keys_of(own_keys.value):
                where = _named(_ORGANIZATIONS, own_keys)
                yield f"{_named(key, leaf)} is ignored: {where} gives each organization its own key."


def _purpose(key: Key) -> Key:
    """What a secret is for, whatever its form; empty for what is neither a secret nor an address."""
    if key[-1] == "username":
        return ()
    if key[-1] in PUTS_ASIDE:
        return key[:-1]
    return key[:2] if key[:2] in SECRET_KEYS or key in _ADDRESSES else ()


def _read(key: Key, value: Any) -> str:
    """The value as text to compare; of a file what it holds, or its path where it cannot be read.

    A secret is hidden from then on.
    """
    parts = value if isinstance(value, list) else str(value or "").strip(" []").split(",")
    text = ",".join(str(part).strip() for part in parts)
    if key in _ADDRESSES:
        return text.rstrip("/")
    if key[-1].endswith("_file") and text:
        try:
            text = files.read_text(Path(text), files.SECRET).strip()
        except (OSError, UnicodeDecodeError):
            return text
    redact.add(text)
    return text


def _named(key: Key, leaf: Leaf) -> str:
    is_variable = leaf.origin in PLAIN_VARIABLES or leaf.origin.startswith(PREFIX)
    return leaf.origin if is_variable else f"{dotted(key)} in {leaf.origin}"


def _keys_of(organizations: Any) -> set[str]:
    """The Admin keys of a list of organizations."""
    given = texts(read_organizations(organizations))
    return {_read(names, text) for names, text in given if names[-1] in ("admin_key", "admin_key_file")}


def texts(value: object, names: Key = ()) -> Iterator[tuple[Key, str]]:
    """Every text in a value, with the names of the mappings that it stands in."""
    if isinstance(value, str):
        yield names, value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from texts(item, names)
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield from texts(item, (*names, str(name)))
