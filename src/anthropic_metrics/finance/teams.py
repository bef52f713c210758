"""Teams of the configuration to which nothing belongs, and why. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from anthropic_metrics.budgets.scope import unknown_to_teams, wrong_names
from anthropic_metrics.config import Config
from anthropic_metrics.kernel.names import NamedWorkspace, Names
from anthropic_metrics.kernel.teams import Teams

_WHOSE = ("workspace_id", "api_key_id", "account_id", "service_account_id")


def teams_without(
    rows: Iterable[Mapping[str, str | None]], names: Names, period: str, wrong: Collection[str] = ()
) -> dict[str, str]:
    """For each configured team that none of these rows belongs to, a sentence with the reason.

    `rows` are the dimensions of what was billed or used in `period`. Teams with a `wrong` name in their entry
    have a reason already: nothing is said of their use.
    """
    teams = names.teams
    distinct = {tuple(row.get(name) for name in _WHOSE) for row in rows}
    owned = [names.row_of(dict(zip(_WHOSE, values, strict=True))) for values in distinct]
    owners = [(row, teams.team_of(row)["name"]) for row in owned]
    reasons = {}
    for name in teams.names:
        if name in {owner for _, owner in owners}:
            continue
        entries = [team for team in teams.teams if team.name == name]
        first = {owner for row, owner in owners if any(team.matches(row) for team in entries)}
        takers = " and ".join(team for team in teams.names if team in first)
        if takers:
            reasons[name] = (
                f"Team {name} has nothing: what its entry in `teams` names belongs to {takers}, further up "
                "in the list, where the first match wins."
            )
        elif name not in wrong:
            reasons[name] = (
                f"Team {name} has nothing: nothing that its entry in `teams` names was used in {period}."
            )
    return reasons


@dataclass
class Owners:
    """Whose the documents of a stream are, by the workspaces and keys that they name themselves."""

    teams: Teams
    _workspaces: dict[str, NamedWorkspace] = field(default_factory=dict)
    _keys: dict[str, str] = field(default_factory=dict)
    _rows: set[tuple[str | None, str | None]] = field(default_factory=set)

    def seen(self, sources: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """The same sources, noted."""
        for source in sources:
            workspace, key = (source["anthropic"].get(name, {}) for name in ("workspace", "api_key"))
            row = (workspace.get("id"), key.get("id"))
            if row not in self._rows:
                self._rows.add(row)
                if row[0]:
                    tags = workspace.get("tags", {})
                    self._workspaces[row[0]] = NamedWorkspace(workspace.get("name", row[0]), tags)
                if row[1]:
                    self._keys[row[1]] = key.get("name", row[1])
            yield source

    @property
    def names(self) -> Names:
        """What the documents call workspaces and keys."""
        return Names("", None, self._workspaces, self._keys).with_teams(self.teams)

    def notes(self, config: Config, others: Callable[[], Iterable[Mapping[str, Any]]]) -> list[str]:
        """Why a team has nothing; none where there are no documents.

        A name in `teams` that neither these documents have nor `others`, which are read only to find it, is
        unknown: nobody can say that it was not used.
        """
        if not self._rows:
            return []
        everybody = self.names
        if any(wrong_names(config, everybody)):
            further = Owners(self.teams, dict(self._workspaces), dict(self._keys))
            deque(further.seen(others()), maxlen=0)
            everybody = further.names
        wrong = {team for team, _, _ in wrong_names(config, everybody)}
        rows = [{"workspace_id": workspace, "api_key_id": key} for workspace, key in self._rows]
        reasons = teams_without(rows, self.names, "this range", wrong)
        return [*unknown_to_teams(config, everybody), *reasons.values()]
