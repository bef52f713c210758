"""The last good inventory: whose the key is, and what the ids in the reports are called."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import structlog

from anthropic_metrics.errors import AuthError, BadRequest, BrokenContract, MetricsError, WrongOrganization
from anthropic_metrics.kernel.names import Identity, Listed, ListedWorkspace, Names
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.teams import NO_TEAMS, Teams

log = structlog.get_logger(__name__)

REFRESH = timedelta(hours=1)
# An id that nobody has heard of is asked for at once, but a deleted key must not cost a request every poll.
REFRESH_FOR_UNKNOWN = timedelta(minutes=15)
# What could not be read is asked for again at the next poll, but not once per poller.
REFRESH_FOR_PROBLEMS = timedelta(minutes=1)
_NAMED = 5

Item = TypeVar("Item", covariant=True)


class Directory(Protocol):
    """Whose the key is and what there is, as the Admin API says now.

    Each call raises AuthError, BadRequest, BrokenContract or RetryLater where it says nothing.
    """

    @property
    def organization_id(self) -> str | None:
        """Whose the key is by the headers of the answers so far."""

    def organization(self) -> Identity: ...

    def workspaces(self, *, problems: Problems) -> Sequence[ListedWorkspace]: ...

    def api_keys(self, *, problems: Problems) -> Sequence[Listed]: ...


class Memory(Protocol):
    """What earlier polls with the same key left behind."""

    def organization(self) -> Identity | None:
        """Whose they were; None where the key is new here."""

    def names(self, organization_id: str) -> Names | None:
        """What workspaces and keys were called."""


Claim = Callable[[str], None]


class _Read(Protocol[Item]):
    def __call__(self, *, problems: Problems) -> Sequence[Item]: ...


class Inventory:
    """Read again every hour and when an unknown id turns up. Thread-safe.

    A failure to renew keeps the names there are: documents never lose theirs because one request failed, a
    list came back empty or some of its entries could not be read.

    The organization does not rest on one answer. It has to be `organization_id` where that is given, else the
    one that this process has seen first, else the one that `memory` has for the key; a new key is believed.

    `called` is the organization's name in documents instead of the API's; `claim` is told whose the key is,
    and raises WrongOrganization where another key is for the same organization.
    """

    def __init__(
        self,
        directory: Directory,
        *,
        organization_id: str | None = None,
        memory: Memory | None = None,
        teams: Teams = NO_TEAMS,
        called: str = "",
        claim: Claim | None = None,
    ) -> None:
        self._directory = directory
        self._expected = organization_id
        self._memory = memory
        self._teams = teams
        self._called = called
        self._claim = claim
        self._names: Names | None = None
        self._organization_known: Identity | None = None
        self._problems = Problems()
        self._unknown: set[str] = set()
        self._is_wrong = False
        self._read_at: datetime | None = None
        self._lock = threading.Lock()

    @property
    def organization(self) -> dict[str, str | None] | None:
        """The organization's id and name, None while nothing tells them."""
        known = self._organization_known
        return None if known is None else {"id": known.id, "name": known.name}

    @property
    def problems(self) -> Problems:
        """What could not be read of the inventory when it was read last."""
        return self._problems

    def names(self, now: datetime, *, unknown: bool = False) -> Names:
        """The names as of now; `unknown` says that an id without a name was seen.

        Raises WrongOrganization while the Admin API names another organization than before, and what its
        client raises, but the latter only while there are no names at all.
        """
        with self._lock:
            if self._names is None or self._is_wrong or self._stale(now, unknown):
                self._renew(now)
            assert self._names is not None
            return self._names

    def _stale(self, now: datetime, unknown: bool) -> bool:
        assert self._read_at is not None
        age = now - self._read_at
        patience = REFRESH_FOR_UNKNOWN if unknown else REFRESH
        # An age below nothing: the clock was set back, and how old the names are is not known.
        return age >= (REFRESH_FOR_PROBLEMS if self._problems.total else patience) or age < timedelta()

    def _renew(self, now: datetime) -> None:
        try:
            names, problems = self._read()
        except WrongOrganization:
            self._is_wrong = True
            raise
        except MetricsError as error:
            if self._names is None or self._is_wrong:
                raise
            log.warning("inventory_kept", reason=str(error))
        else:
            if names.dropped_tags and (self._names is None or names.dropped_tags != self._names.dropped_tags):
                log.warning("tags_dropped", tags={k: list(v) for k, v in names.dropped_tags.items()})
            self._tell_unknown(problems)
            self._names, self._problems, self._is_wrong = names, problems, False
        self._read_at = now

    def _tell_unknown(self, problems: Problems) -> None:
        """Name each field that nobody knows once, here and not as one of every poll's own."""
        if fresh := problems.unknown_fields.keys() - self._unknown:
            log.warning("unknown_fields", stream="inventory", fields=sorted(fresh)[:_NAMED])
        self._unknown |= fresh
        problems.unknown_fields.clear()

    def _read(self) -> tuple[Names, Problems]:
        problems = Problems()
        organization = self._organization(problems)
        if self._claim is not None:
            self._claim(organization.id)
        if self._called:
            organization = Identity(id=organization.id, name=self._called)
        self._organization_known = organization
        spaces, all_spaces = self._list("workspaces", self._directory.workspaces, problems)
        keys, all_keys = self._list("api_keys", self._directory.api_keys, problems)
        earlier = None if all_spaces and all_keys else self._earlier(organization.id)
        names = Names.of(
            organization.id,
            organization.name,
            spaces,
            keys,
            earlier_workspaces=earlier.workspaces if earlier and not all_spaces else None,
            earlier_api_keys=earlier.api_keys if earlier and not all_keys else None,
        )
        listed = {space.id for space in spaces} | {key.id for key in keys}
        if earlier and (left_out := _left_out(earlier, listed, names)):
            log.warning("names_kept", count=len(left_out), first=sorted(left_out)[:_NAMED])
        return names.with_teams(self._teams), problems

    def _organization(self, problems: Problems) -> Identity:
        known = self._known()
        try:
            said = self._directory.organization()
        except (AuthError, BadRequest, BrokenContract) as error:
            fallback = known or self._of_header()
            if fallback is None or _refuses_key(error):
                raise
            problems.refuse("organization", error.message)
            return fallback
        if known is not None:
            confirm(said, known, configured=known.id == self._expected)
        if said.name is None and not self._called:
            log.warning("organization_without_name", organization=said.id)
            return known or said
        return said

    def _known(self) -> Identity | None:
        """Whose the key is by all that came before."""
        if self._names is not None:
            return Identity(self._names.organization_id, self._names.organization_name)
        known = self._memory.organization() if self._memory else None
        if self._expected is not None and (known is None or known.id != self._expected):
            known = Identity(self._expected)
        self._organization_known = known
        return known

    def _of_header(self) -> Identity | None:
        """What the header of the other answers says."""
        if self._directory.organization_id is None:
            with suppress(AuthError, BadRequest, BrokenContract):
                self._directory.workspaces(problems=Problems())
        organization_id = self._directory.organization_id
        return Identity(organization_id) if organization_id else None

    def _earlier(self, organization_id: str) -> Names | None:
        if self._names is not None:
            return self._names
        return self._memory.names(organization_id) if self._memory else None

    def _list(self, what: str, read: _Read[Item], problems: Problems) -> tuple[Sequence[Item], bool]:
        """The entries, and whether they are all there are. A key may not be allowed to see a list."""
        own = Problems()
        items: Sequence[Item] = ()
        try:
            items = read(problems=own)
        except (AuthError, BadRequest, BrokenContract) as error:
            if _refuses_key(error):
                raise
            log.warning("inventory_without_names", missing=what, reason=str(error))
            if isinstance(error, BrokenContract):
                own.refuse(what, error.message)
        problems.add(own)
        return items, bool(items) and not own.total


def _left_out(earlier: Names, listed: set[str], names: Names) -> set[str]:
    """Ids that have a name only because they had one before."""
    had = earlier.workspaces.keys() | earlier.api_keys.keys()
    return {id_ for id_ in had if id_ not in listed and (id_ in names.workspaces or id_ in names.api_keys)}


def _refuses_key(error: MetricsError) -> bool:
    return isinstance(error, AuthError) and error.status == 401


def confirm(said: Identity, known: Identity, *, configured: bool) -> None:
    """Raises WrongOrganization where the Admin API says another organization than the one that is known, by
    the configuration (`configured`) or by earlier polls."""
    if said.id == known.id:
        return
    before = "anthropic.organization_id names" if configured else "its polls so far were for"
    raise WrongOrganization(
        f"The Admin API says that the key belongs to organization {_shown(said)}, but {before} "
        f"{_shown(known)}. Nothing is read or written until both are the same.",
        cure=f"If {said.id} is right, set anthropic.organization_id to it; otherwise check "
        "anthropic.base_url and the proxy in between.",
    )


def _shown(organization: Identity) -> str:
    return f"{organization.id} ({organization.name})" if organization.name else organization.id
