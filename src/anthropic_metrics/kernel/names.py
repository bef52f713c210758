"""Names from the inventory: what the ids in the reports are called."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

from anthropic_metrics.kernel.digests import digest
from anthropic_metrics.kernel.teams import NO_TEAMS, Fields, Row, Teams

LONGEST_TAG = 256


@dataclass(frozen=True, slots=True)
class Identity:
    """An organization: whose a key is, and what it is called, if that is known."""

    id: str
    name: str | None = None


class Listed(Protocol):
    """An entry of a list of the inventory."""

    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


class ListedWorkspace(Listed, Protocol):
    """A workspace as the inventory lists it; `tags` are as received."""

    @property
    def tags(self) -> Mapping[str, Any]: ...

    @property
    def archived_at(self) -> datetime | None: ...


@dataclass(frozen=True)
class NamedWorkspace:
    """What a workspace is called and tagged with."""

    name: str
    tags: Mapping[str, str] = field(default_factory=dict)
    archived: bool = False


@dataclass(frozen=True)
class Names:
    """The inventory at one moment. `digest` changes with anything that documents show of it.

    `dropped_tags` has, by workspace, the tags that cannot be fields of a document.
    """

    organization_id: str
    organization_name: str | None
    workspaces: Mapping[str, NamedWorkspace]
    api_keys: Mapping[str, str]
    digest: bytes = b""
    dropped_tags: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    teams: Teams = NO_TEAMS
    # What builders have written of these names already; it goes with them.
    written: dict[tuple[Hashable, ...], Any] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @classmethod
    def of(
        cls,
        organization_id: str,
        name: str | None,
        workspaces: Iterable[ListedWorkspace],
        api_keys: Iterable[Listed],
        *,
        earlier_workspaces: Mapping[str, NamedWorkspace] | None = None,
        earlier_api_keys: Mapping[str, str] | None = None,
    ) -> Names:
        """Names from the inventory's replies; the earlier ones stay for the ids that these leave out."""
        spaces, dropped = dict(earlier_workspaces or {}), {}
        for space in workspaces:
            tags = usable_tags(space.tags)
            spaces[space.id] = NamedWorkspace(space.name, tags, space.archived_at is not None)
            if lost := tuple(sorted(space.tags.keys() - tags.keys())):
                dropped[space.id] = lost
        keys = {**(earlier_api_keys or {}), **{key.id: key.name for key in api_keys if key.name}}
        shown = [organization_id, name, {k: [v.name, dict(v.tags)] for k, v in spaces.items()}, keys]
        said = digest(json.dumps(shown, sort_keys=True))
        return cls(organization_id, name, spaces, keys, said, dropped)

    def with_teams(self, teams: Teams) -> Names:
        """The same names, with the teams that rows belong to; none change nothing."""
        if not teams:
            return self
        shown = json.dumps(teams.shown(), sort_keys=True).encode()
        return replace(self, teams=teams, digest=digest(self.digest + shown))

    def team_of(self, dimensions: Mapping[str, str | None]) -> Fields | None:
        """The team of a row with these dimensions; None where no teams are configured."""
        return self.teams.team_of(self.row_of(dimensions)) if self.teams else None

    def row_of(self, dimensions: Mapping[str, str | None]) -> Row:
        """What a row with these dimensions says about whose it is."""
        workspace, key = dimensions.get("workspace_id"), dimensions.get("api_key_id")
        space = self.workspaces.get(workspace or "")
        people = (dimensions.get("account_id"), dimensions.get("service_account_id"))
        return Row(
            frozenset(name for name in (workspace, space and space.name) if name),
            frozenset(f"{tag}={value}" for tag, value in space.tags.items()) if space else frozenset(),
            frozenset(name for name in (key, self.api_keys.get(key or "")) if name),
            frozenset(person for person in people if person),
        )

    @property
    def organization(self) -> dict[str, str | None]:
        """The organization as documents show it."""
        return {"id": self.organization_id, "name": self.organization_name}

    def knows(self, workspaces: Iterable[str], api_keys: Iterable[str]) -> bool:
        """Whether every one of these ids has a name."""
        return all(w in self.workspaces for w in workspaces) and all(k in self.api_keys for k in api_keys)


def usable_tags(tags: Mapping[str, Any]) -> dict[str, str]:
    """The tags that Elasticsearch takes as fields, by key.

    A key becomes a field name: it must not be blank, overlong, begin or end with a dot, or hold a character
    that cannot be printed. A value is a text.
    """
    return {key: value for key, value in sorted(tags.items()) if isinstance(value, str) and _names_field(key)}


def _names_field(key: str) -> bool:
    parts = key.split(".")
    return len(key) <= LONGEST_TAG and key.isprintable() and all(part.strip() for part in parts)
