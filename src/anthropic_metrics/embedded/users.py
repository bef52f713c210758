"""Users and roles of a secured embedded server, from files: it has no API to make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

BCRYPT_ROUNDS = 6  # the server is on this machine only and lives for a session; more would slow every start


@dataclass(frozen=True)
class Users:
    """Who may do what: passwords and role names by user, and the roles that are not built in.

    `roles` has the shape of Elasticsearch's roles.yml: {"writer": {"cluster": [...], "indices": [...]}}.
    Passwords have at least 6 characters.
    """

    passwords: Mapping[str, str] = field(repr=False)
    roles_of: Mapping[str, Sequence[str]]
    roles: Mapping[str, Any] = field(default_factory=dict)

    def write(self, config: Path) -> None:
        """The files that Elasticsearch reads: users (bcrypt), users_roles and roles.yml."""
        import bcrypt

        hashes = {
            name: bcrypt.hashpw(password.encode(), bcrypt.gensalt(BCRYPT_ROUNDS, prefix=b"2a")).decode()
            for name, password in self.passwords.items()
        }
        holders: dict[str, list[str]] = {}
        for name, roles in self.roles_of.items():
            for role in roles:
                holders.setdefault(role, []).append(name)
        _write(config / "users", [f"{name}:{hashed}" for name, hashed in hashes.items()])
        _write(config / "users_roles", [f"{role}:{','.join(names)}" for role, names in holders.items()])
        _write(config / "roles.yml", [yaml.safe_dump(dict(self.roles))])


def _write(path: Path, lines: list[str]) -> None:
    path.write_text("\n".join(lines) + "\n", "utf-8")
