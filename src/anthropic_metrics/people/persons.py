"""Who a row of the reports is about, and what documents call them. Only here e-mail addresses are known.

A user id is the identity: names and addresses change. A pseudonym is an HMAC of it with the configured salt,
so that it is the same after a restart and in every agent, and no list of ids or addresses leads to it.
"""

from __future__ import annotations

import hmac
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from anthropic_metrics.config.people import Identify

UNATTRIBUTED = "Unattributed"
PREFIX = "person_"
_DIGITS = 24


@dataclass(frozen=True, slots=True)
class Person:
    """As a document names them. `account` is the user id that teams are configured by; never written."""

    id: str
    type: str
    account: str | None = None
    name: str | None = None
    email: str | None = None
    deleted: bool = False
    alias: str | None = None

    def fields(self) -> dict[str, Any]:
        """The fields of `documents.people.PersonFields`."""
        return {
            "id": self.id,
            "type": self.type,
            "name": self.name,
            "email": self.email,
            "deleted": self.deleted or None,
            "alias": self.alias,
        }


class Persons:
    """Names people under a configuration. `api_keys` are the keys' names by id."""

    def __init__(self, identify: Identify, salt: str, api_keys: Mapping[str, str]) -> None:
        self._identify = identify
        self._salt = salt.encode()
        # The Claude Code report names keys and has no ids: of two keys of one name nobody knows which it was.
        counts = Counter(api_keys.values())
        self._keys = {name: id_ for id_, name in api_keys.items() if counts[name] == 1}
        self._users: dict[str, str] = {}
        self._known: dict[str, str] = {}

    def learn(self, pairs: Iterable[tuple[str, str | None]]) -> None:
        """User ids with their addresses, as the API lists them now."""
        self._users.update({_plain(email): user for user, email in pairs if email})

    def remember(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Aliases with the ids that documents have under them: users who are no longer listed keep theirs."""
        self._known.update(pairs)

    def of_actor(self, actor: Mapping[str, Any] | None) -> Person:
        """The actor of a row of the analytics reports."""
        row = dict(actor or {})
        match row:
            case {"type": "user_actor", "user_id": str(user)}:
                deleted = row.get("deleted") is True
                return self._user(user, row.get("name"), row.get("email_address"), deleted=deleted)
            case {"type": "service_account_actor", "service_account_id": str(account)}:
                return Person(account, "service_account", account)
            case {"type": "api_actor", "api_key_id": str(key)}:
                return Person(key, "api_key")
            case {"type": "federated_actor"}:
                # The subject may be an address.
                return Person(self._pseudonym("cloud", repr(sorted(row.items(), key=str))), "cloud_identity")
        return Person(UNATTRIBUTED, "none")

    def of_record(self, actor: Mapping[str, Any] | None) -> Person:
        """The actor of a record of the Claude Code report, which knows people by their address alone."""
        match actor:
            case {"type": "user_actor", "email_address": str(email)} if email:
                alias = self._pseudonym("email", _plain(email))
                if (user := self._users.get(_plain(email))) is not None:
                    return self._user(user, None, email)
                shown = email if self._identify == "email" else None
                return Person(self._known.get(alias, alias), "user", email=shown, alias=alias)
            case {"type": "api_actor", "api_key_name": str(name)}:
                return Person(self._keys.get(name, UNATTRIBUTED), "api_key")
        return Person(UNATTRIBUTED, "none")

    def _user(self, user: str, name: object, email: object, *, deleted: bool = False) -> Person:
        text = email if isinstance(email, str) and email else None
        open_ = self._identify == "email"
        return Person(
            self._pseudonym("user", user) if self._identify == "hash" else user,
            "user",
            user,
            name if open_ and isinstance(name, str) else None,
            text if open_ else None,
            deleted,
            None if text is None else self._pseudonym("email", _plain(text)),
        )

    def _pseudonym(self, kind: str, value: str) -> str:
        made = hmac.new(self._salt, f"{kind}:{value}".encode(), "sha256").hexdigest()
        return PREFIX + made[:_DIGITS]


def _plain(email: str) -> str:
    return email.strip().lower()
