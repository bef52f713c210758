"""Whom a row belongs to: the teams of the configuration, first match wins. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass

UNASSIGNED = "Unassigned"
Fields = dict[str, str]


@dataclass(frozen=True, slots=True)
class Team:
    """A team's name and further fields, and the ids, names and tags (`name=value`) that are its own."""

    name: str
    workspaces: frozenset[str] = frozenset()
    api_keys: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()
    environment: str | None = None
    owner: str | None = None
    cost_centre: str | None = None
    project: str | None = None

    def matches(self, row: Row) -> bool:
        """Whether the row has one of its workspaces, tags, keys or people."""
        return bool(
            self.workspaces & row.workspace
            or self.tags & row.tags
            or self.api_keys & row.api_key
            or self.people & row.people
        )

    def fields(self) -> Fields:
        """As documents show it."""
        further = {name: getattr(self, name) for name in ("environment", "owner", "cost_centre", "project")}
        return {"name": self.name, **{name: value for name, value in further.items() if value}}


@dataclass(frozen=True, slots=True)
class Row:
    """What a row says about whose it is, ids with their names; a cost row has only its workspace."""

    workspace: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    api_key: frozenset[str] = frozenset()
    people: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Teams:
    """The configured teams in their order; false where there are none."""

    teams: tuple[Team, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.teams)

    @property
    def names(self) -> list[str]:
        """Each team once, in the order of the configuration."""
        return list(dict.fromkeys(team.name for team in self.teams))

    def team_of(self, row: Row) -> Fields:
        """The first team that has the row's workspace, one of its tags, its key or its person."""
        for team in self.teams:
            if team.matches(row):
                return team.fields()
        return {"name": UNASSIGNED}

    def shown(self) -> list[dict[str, object]]:
        """All of it, for a digest."""
        return [
            {
                name: sorted(value) if isinstance(value, frozenset) else value
                for name, value in asdict(team).items()
            }
            for team in self.teams
        ]


NO_TEAMS = Teams()
