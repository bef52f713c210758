"""Names from the inventory: what the ids in the reports are called."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TypeVar

import structlog

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import ApiKey, Workspace
from anthropic_metrics.errors import AuthError, BadRequest, MetricsError

log = structlog.get_logger(__name__)

REFRESH = timedelta(hours=1)
# An id that nobody has heard of is asked for at once, but a deleted key must not cost a request every poll.
REFRESH_FOR_UNKNOWN = timedelta(minutes=15)

Item = TypeVar("Item")


@dataclass(frozen=True)
class NamedWorkspace:
    """What a workspace is called and tagged with."""

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    archived: bool = False


@dataclass(frozen=True)
class Names:
    """The inventory at one moment. `digest` changes with anything that documents show of it."""

    organization_id: str
    organization_name: str | None
    workspaces: Mapping[str, NamedWorkspace]
    api_keys: Mapping[str, str]
    digest: bytes = b""

    @classmethod
    def of(
        cls,
        organization_id: str,
        name: str | None,
        workspaces: Iterable[Workspace],
        api_keys: Iterable[ApiKey],
    ) -> Names:
        """Names from the inventory's replies."""
        spaces = {
            space.id: NamedWorkspace(
                space.name, dict(sorted(space.tags.items())), space.archived_at is not None
            )
            for space in workspaces
        }
        keys = {key.id: key.name for key in api_keys if key.name}
        shown = [organization_id, name, {k: [v.name, dict(v.tags)] for k, v in spaces.items()}, keys]
        digest = blake2b(json.dumps(shown, sort_keys=True).encode(), digest_size=16).digest()
        return cls(organization_id, name, spaces, keys, digest)

    @property
    def organization(self) -> dict[str, str | None]:
        """The organization as documents show it."""
        return {"id": self.organization_id, "name": self.organization_name}

    def knows(self, workspaces: Iterable[str], api_keys: Iterable[str]) -> bool:
        """Whether every one of these ids has a name."""
        return all(w in self.workspaces for w in workspaces) and all(k in self.api_keys for k in api_keys)


class Inventory:
    """The last good inventory, read again every hour and when an unknown id turns up.

    A failure to renew keeps the names there are: documents never lose theirs because one request failed.
    """

    def __init__(self, client: AdminClient) -> None:
        self._client = client
        self._names: Names | None = None
        self._read_at: datetime | None = None
        self._lock = threading.Lock()

    @property
    def organization(self) -> dict[str, str | None] | None:
        """The organization's id and name, None until they were read once."""
        return None if self._names is None else self._names.organization

    def names(self, now: datetime, *, unknown: bool = False) -> Names:
        """The names as of now; `unknown` says that an id without a name was seen.

        Raises what the Admin API client raises, but only while there are no names at all.
        """
        with self._lock:
            if self._names is None or self._stale(now, unknown):
                self._renew(now)
            assert self._names is not None
            return self._names

    def _stale(self, now: datetime, unknown: bool) -> bool:
        assert self._read_at is not None
        age = now - self._read_at
        # An age below nothing: the clock was set back, and how old the names are is not known.
        return age >= (REFRESH_FOR_UNKNOWN if unknown else REFRESH) or age < timedelta()

    def _renew(self, now: datetime) -> None:
        try:
            organization = endpoints.organization(self._client)
            spaces = self._optional("workspaces", endpoints.workspaces)
            keys = self._optional("api_keys", endpoints.api_keys)
        except MetricsError as error:
            if self._names is None:
                raise
            log.warning("inventory_kept", reason=str(error))
        else:
            self._names = Names.of(organization.id, organization.name, spaces, keys)
        self._read_at = now

    def _optional(self, what: str, read: Callable[[AdminClient], list[Item]]) -> list[Item]:
        """A list that this key may not be allowed to see, or that this organization does not have."""
        try:
            return read(self._client)
        except (AuthError, BadRequest) as error:
            if self._names is not None:
                raise
            log.warning("inventory_without_names", missing=what, reason=str(error))
            return []
