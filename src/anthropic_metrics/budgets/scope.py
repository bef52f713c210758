"""Which documents a budget counts: its name resolved by today's inventory, so that renames keep their past.

A name that fits nothing is a sentence for the log, for `check` and for `budgets`. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches

from anthropic_metrics.config import Config
from anthropic_metrics.config.budgets import BudgetSettings, Scope
from anthropic_metrics.config.money import TeamSettings
from anthropic_metrics.kernel.frame import CONSOLE, DEFAULT_WORKSPACE
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.ports import Terms
from anthropic_metrics.kernel.teams import UNASSIGNED
from anthropic_metrics.spend.build import UNATTRIBUTED

_WORKSPACE, _KEY, _TEAM = "anthropic.workspace.id", "anthropic.api_key.id", "anthropic.team.name"
_WORDS: dict[Scope, str] = {
    "organization": "the organization",
    "workspace": "workspace",
    "api_key": "API key",
    "team": "team",
    "tag": "workspaces tagged",
}


@dataclass(frozen=True)
class Target:
    """The documents of a budget, as exact values of fields; `problem` says why there are none."""

    terms: Terms = field(default_factory=dict)
    problem: str = ""


def whose(budget: BudgetSettings, called: str = "") -> str:
    """Whose budget it is, for people: `the organization`, `workspace Production`; `called` as by `called`."""
    return f"{_WORDS[budget.scope]} {called or budget.whose}".strip()


def called(budget: BudgetSettings, names: Names) -> str:
    """What the workspace or key of a budget is called today; empty where the budget names no id."""
    match budget.scope:
        case "workspace" if (space := names.workspaces.get(budget.whose)) is not None:
            return space.name
        case "api_key":
            return names.api_keys.get(budget.whose) or ""
    return ""


def target(budget: BudgetSettings, names: Names) -> Target:
    """What the budget counts under these names."""
    name = budget.whose
    match budget.scope:
        case "organization":
            return Target()
        case "workspace":
            name_of, ids = _WORKSPACE, _workspaces(name, names)
        case "tag":
            name_of, ids = _WORKSPACE, [id_ for id_, tag in _tags(names) if tag == name]
        case "api_key":
            known = {**names.api_keys, CONSOLE: CONSOLE, UNATTRIBUTED: UNATTRIBUTED}
            name_of, ids = _KEY, [id_ for id_, called in known.items() if name in (id_, called)]
        case "team":
            teams = {team.name for team in names.teams.teams} | ({UNASSIGNED} if names.teams else set())
            name_of, ids = _TEAM, [name] if name in teams else []
    if not ids:
        return Target(problem=unfitting(budget, known_names(budget.scope, names)))
    return Target({name_of: sorted(ids)})


def unfitting(budget: BudgetSettings, known: Collection[str]) -> str:
    """The sentence about a budget whose name is not among those that are known."""
    near = get_close_matches(budget.whose, sorted(known), n=1)
    meant = f"; did you mean {near[0]}?" if near else "."
    return (
        f"budgets: {budget.name}: there is no {_noun(budget.scope)} {budget.whose}, so nothing counts{meant} "
        "Correct the name under `budgets`."
    )


def reason(budget: BudgetSettings, problem: str) -> str:
    """The first clause of a sentence about a budget of nothing: `there is no workspace Nowhere`."""
    return re.split(r"; |, so ", problem.removeprefix(f"budgets: {budget.name}: "), maxsplit=1)[0]


def named_by(teams: Iterable[TeamSettings], *, with_keys: bool) -> Iterator[tuple[str, Scope, str]]:
    """Each team with the scope and the name of what its entry lists; `with_keys`: the keys are known."""
    for team in teams:
        scopes: tuple[tuple[Scope, tuple[str, ...]], ...] = (
            ("workspace", team.workspaces),
            ("tag", team.tags),
            ("api_key", team.api_keys if with_keys else ()),
        )
        for scope, listed in scopes:
            yield from ((team.team, scope, name) for name in listed)


def unknown_to_teams(config: Config, names: Names, teams: Collection[str] | None = None) -> Iterator[str]:
    """A sentence for each name in `teams` that fits nothing, only of `teams` if any are named; none where
    teams may span organizations."""
    for team, scope, name in wrong_names(config, names):
        if teams is None or team in teams:
            near = get_close_matches(name, sorted(known_names(scope, names)), n=1)
            meant = f"; did you mean {near[0]}?" if near else "."
            yield (
                f"teams: {team}: there is no {_noun(scope)} {name}, so the team gets nothing from it{meant} "
                "Correct the name under `teams`."
            )


def wrong_names(config: Config, names: Names) -> Iterator[tuple[str, Scope, str]]:
    """Each team with the scope and the name of what its entry lists in vain, as `unknown_to_teams`."""
    for team, scope, name in () if config.label else named_by(config.teams, with_keys=bool(names.api_keys)):
        if name not in known_names(scope, names):
            yield team, scope, name


def known_names(scope: Scope, names: Names) -> set[str]:
    """What a budget with this scope may name."""
    match scope:
        case "workspace":
            spaces = names.workspaces
            return {DEFAULT_WORKSPACE, *spaces, *(space.name for space in spaces.values())}
        case "tag":
            return {
                f"{tag}={value}" for space in names.workspaces.values() for tag, value in space.tags.items()
            }
        case "api_key":
            return {CONSOLE, *names.api_keys, *names.api_keys.values()}
        case "team":
            return {team.name for team in names.teams.teams}
        case "organization":
            return set()


def not_split(budget: BudgetSettings, config: Config) -> str:
    """Why the collected data cannot tell this budget's part; empty if it can."""
    needed = {"workspace": "workspace_id", "tag": "workspace_id", "api_key": "api_key_id"}.get(budget.scope)
    if needed is None or needed in config.usage.group_by:
        return ""
    return f"budgets: {budget.name}: usage.group_by lacks {needed}, so nothing counts."


def _noun(scope: Scope) -> str:
    return "workspace tag" if scope == "tag" else _WORDS[scope]


def _workspaces(name: str, names: Names) -> list[str]:
    """The ids of the workspaces called so, or the id itself."""
    if name == DEFAULT_WORKSPACE or name in names.workspaces:
        return [name]
    return [id_ for id_, space in names.workspaces.items() if space.name == name]


def _tags(names: Names) -> Iterator[tuple[str, str]]:
    """Each workspace's id with each of its tags, as `name=value`."""
    for id_, space in names.workspaces.items():
        yield from ((id_, f"{tag}={value}") for tag, value in space.tags.items())
