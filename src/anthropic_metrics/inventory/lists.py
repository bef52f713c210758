"""Reads the lists of the Admin API, each for itself: one that is refused leaves the others working."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, TypeVar

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import ApiKey, ServiceAccount, User, Workspace
from anthropic_metrics.admin_api.reply import Reply
from anthropic_metrics.errors import AuthError, BadRequest, BrokenContract, RetryLater
from anthropic_metrics.inventory.resources import (
    Kind,
    Listed,
    Owners,
    Resource,
    of_api_key,
    of_service_account,
    of_user,
    of_workspace,
)
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.tally import Tally

R = TypeVar("R", bound=Reply, covariant=True)


class _Read(Protocol[R]):
    def __call__(self, client: AdminClient, *, problems: Problems) -> Sequence[R]: ...


@dataclass
class Lists:
    """What one poll read. A kind that is in neither could not be read this time; `refused` says why not.

    `default` is the id of the default workspace, as known before where the list does not tell it.
    """

    client: AdminClient
    tally: Tally
    default: str | None = None
    workspaces: Sequence[Workspace] = ()
    api_keys: Sequence[ApiKey] = ()
    listed: dict[Kind, Listed] = field(default_factory=dict)
    refused: dict[Kind, str] = field(default_factory=dict)
    away: bool = False

    def read(self, *, names_of_users: bool) -> None:
        """Read all lists. Raises AuthError where the key itself is refused."""
        accounts: Sequence[ServiceAccount] = self._entries(Kind.service_account, endpoints.service_accounts)
        self._enter(Kind.service_account, accounts, of_service_account)
        users: Sequence[User] = self._entries(Kind.user, endpoints.users)
        self._enter(Kind.user, users, partial(of_user, named=names_of_users))
        self.workspaces = self._entries(Kind.workspace, self._with_default)
        self._enter(Kind.workspace, self.workspaces, lambda entry: of_workspace(entry, self.default))
        shown = [(entry.id, entry.name) for entry in accounts]
        shown += [(entry.id, entry.name) for entry in users if entry.name and names_of_users]
        owners = Owners(dict(shown))
        self.api_keys = self._entries(Kind.api_key, endpoints.api_keys)
        self._enter(Kind.api_key, self.api_keys, lambda entry: of_api_key(entry, self.default, owners))

    def _with_default(self, client: AdminClient, *, problems: Problems) -> list[Workspace]:
        """The workspaces with the default one: it is the one that only `include_default` brings."""
        every = endpoints.workspaces(client, problems=problems, default=True)
        others = {workspace.id for workspace in endpoints.workspaces(client, problems=Problems())}
        extra = [workspace.id for workspace in every if workspace.id not in others]
        if len(extra) == 1:
            self.default = extra[0]
        return every

    def _entries(self, kind: Kind, read: _Read[R]) -> Sequence[R]:
        if self.away:
            return ()
        problems = Problems()
        entries: Sequence[R] = ()
        try:
            entries = read(self.client, problems=problems)
        except (AuthError, BadRequest) as error:
            if isinstance(error, AuthError) and error.status == 401:
                raise
            self.refused[kind] = error.message
            self.tally.notes.append(
                f"The Admin API does not list {_PLURAL[kind]} to this key ({error.status}); the other "
                "lists are read. `anthropic-metrics check` shows its answer."
            )
            return ()
        except BrokenContract as error:
            self.tally.failures.append(error.message)
            return ()
        except RetryLater as error:
            self.tally.failures.append(error.message)
            self.away = True  # what was read until then is written all the same
            return ()
        self.listed[kind] = Listed(kind, clean=not problems.total)
        self.tally.rows += len(entries)
        self.tally.problems(problems)
        return entries

    def _enter(self, kind: Kind, entries: Sequence[R], make: Callable[[R], Resource]) -> None:
        if kind in self.listed:
            clean = self.listed[kind].clean
            self.listed[kind] = Listed(kind, [make(entry) for entry in entries], clean)


_PLURAL: Mapping[Kind, str] = {
    Kind.workspace: "workspaces",
    Kind.api_key: "API keys",
    Kind.user: "users",
    Kind.service_account: "service accounts",
}
