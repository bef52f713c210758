"""A believable organization made from a seed: workspaces, keys, limits; and how it is changed by edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from .identity import organization_uuid, tagged
from .limits import Override, RateLimit, default_overrides, default_rate_limits


@dataclass(frozen=True, slots=True)
class Workspace:
    """`default` marks the one that reports call null."""

    id: str
    name: str
    created_at: datetime
    display_color: str
    tags: Mapping[str, str] = field(default_factory=dict)
    archived_at: datetime | None = None
    default: bool = False
    default_geo: str = "global"

    @property
    def report_id(self) -> str | None:
        """The id that usage and cost rows carry."""
        return None if self.default else self.id


@dataclass(frozen=True, slots=True)
class ApiKey:
    """`workspace_id` None with a service account means: a key of the organization itself."""

    id: str
    name: str
    workspace_id: str | None
    created_at: datetime
    created_by: str
    hint: str
    status: str = "active"
    expires_at: datetime | None = None
    service_account_id: str | None = None


@dataclass(frozen=True, slots=True)
class User:
    """A member of the organization."""

    id: str
    name: str
    email: str
    role: str
    added_at: datetime


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An account that is no person."""

    id: str
    name: str
    role: str
    created_at: datetime
    created_by: str
    archived_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SpendLimit:
    """A cap in whole cents (None = no cap) on the organization or on one workspace."""

    id: str
    amount: str | None
    workspace_id: str | None
    period: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Organization:
    """All that the inventory and limit endpoints answer from, as it stands at one moment."""

    id: str
    name: str
    workspaces: tuple[Workspace, ...]
    api_keys: tuple[ApiKey, ...]
    rate_limits: tuple[RateLimit, ...]
    overrides: tuple[Override, ...]
    spend_limits: tuple[SpendLimit, ...]
    users: tuple[User, ...] = ()
    service_accounts: tuple[ServiceAccount, ...] = ()

    def workspace(self, workspace_id: str) -> Workspace | None:
        return next((workspace for workspace in self.workspaces if workspace.id == workspace_id), None)

    def named(self, name: str) -> Workspace:
        """The workspace of that name; KeyError if there is none."""
        for workspace in self.workspaces:
            if workspace.name == name:
                return workspace
        raise KeyError(name)

    def key(self, name: str) -> ApiKey:
        """The API key of that name; KeyError if there is none."""
        for key in self.api_keys:
            if key.name == name:
                return key
        raise KeyError(name)

    def with_workspace(self, workspace_id: str, **changes: Any) -> Organization:
        """A copy in which one workspace is changed."""
        changed = (replace(w, **changes) if w.id == workspace_id else w for w in self.workspaces)
        return replace(self, workspaces=tuple(changed))

    def with_api_key(self, key_id: str, **changes: Any) -> Organization:
        """A copy in which one API key is changed."""
        return replace(
            self, api_keys=tuple(replace(k, **changes) if k.id == key_id else k for k in self.api_keys)
        )

    def without_api_key(self, key_id: str) -> Organization:
        """A copy without this key, as after its deletion; its usage stays."""
        return replace(self, api_keys=tuple(k for k in self.api_keys if k.id != key_id))


Change = Callable[[Organization], Organization]

LEGACY_LIVES = 1 / 3  # of the history at the start; then its workspace is archived

# name, colour, age in days at the first day of history, tags, archived after this share of the history
_WORKSPACES: tuple[tuple[str, str, int, dict[str, str], float | None], ...] = (
    ("Default", "#6C5BB9", 420, {}, None),
    (
        "Production",
        "#2E7D32",
        400,
        {"environment": "production", "team": "platform", "owner": "dana", "project": "assistant"},
        None,
    ),
    (
        "Staging",
        "#EF6C00",
        395,
        {"environment": "staging", "team": "platform", "owner": "dana", "project": "assistant"},
        None,
    ),
    (
        "Data Science",
        "#1565C0",
        300,
        {"environment": "development", "team": "research", "owner": "mateo", "project": "evals"},
        None,
    ),
    (
        "Customer Support",
        "#AD1457",
        210,
        {"environment": "production", "team": "support", "owner": "amina", "project": "helpdesk"},
        None,
    ),
    (
        "Legacy Chatbot",
        "#616161",
        410,
        {"environment": "production", "team": "platform", "owner": "dana", "project": "chatbot"},
        LEGACY_LIVES,
    ),
)

# name, workspace, age in days, status, service account
_KEYS: tuple[tuple[str, str | None, int, str, str | None], ...] = (
    ("assistant-api", "Production", 390, "active", None),
    ("assistant-search", "Production", 200, "active", None),
    ("assistant-mobile", "Production", 120, "active", None),
    ("staging-ci", "Staging", 380, "active", None),
    ("staging-load-test", "Staging", 250, "inactive", None),
    ("eval-runner", "Data Science", 290, "active", None),
    ("notebooks", "Data Science", 280, "active", None),
    ("nightly-batch", "Data Science", 150, "active", None),
    ("helpdesk-bot", "Customer Support", 205, "active", None),
    ("helpdesk-summaries", "Customer Support", 100, "active", None),
    ("legacy-bot", "Legacy Chatbot", 405, "archived", None),
    ("trial-2025", "Default", 415, "expired", None),
    ("finance-reports", None, 60, "active", "finance"),
)
# name, role, age in days
_USERS = (
    ("dana", "admin", 420),
    ("mateo", "developer", 300),
    ("amina", "developer", 210),
    ("rosa", "billing", 90),
)
DELETED_KEY = "old-scripts"


def build_organization(seed: int, first_day: datetime, history: timedelta) -> Organization:
    """The organization as it stands before any edit; dates are relative to its first day of history."""
    workspaces = tuple(
        Workspace(
            id=tagged("wrkspc", seed, name),
            name=name,
            created_at=first_day - timedelta(days=age),
            display_color=colour,
            tags=tags,
            archived_at=None if archived is None else first_day + history * archived,
            default=name == "Default",
        )
        for name, colour, age, tags, archived in _WORKSPACES
    )
    ids = {workspace.name: workspace.id for workspace in workspaces}
    return Organization(
        id=organization_uuid(seed),
        name="Lumenfield Labs",
        workspaces=workspaces,
        api_keys=tuple(_key(seed, row, ids, first_day) for row in _KEYS),
        rate_limits=default_rate_limits(seed),
        overrides=default_overrides(ids),
        spend_limits=_spend_limits(seed, ids, first_day),
        users=tuple(
            User(
                user_id(seed, name),
                f"{name.title()} Example",
                user_email(name),
                role,
                first_day - timedelta(days=age),
            )
            for name, role, age in _USERS
        ),
        service_accounts=(
            ServiceAccount(
                service_account_id(seed, "finance"),
                "finance",
                "developer",
                first_day - timedelta(days=61),
                user_id(seed, "dana"),
            ),
        ),
    )


def api_key_id(seed: int, name: str) -> str:
    return tagged("apikey", seed, name)


def user_id(seed: int, name: str) -> str:
    return tagged("user", seed, name)


def user_email(name: str) -> str:
    """The address of a person."""
    return f"{name}@lumenfield.example"


@lru_cache
def user_emails(seed: int) -> Mapping[str, str]:
    """The addresses by user id, of users who have been deleted too."""
    return {user_id(seed, name): user_email(name) for name, _, _ in _USERS}


def service_account_id(seed: int, name: str) -> str:
    return tagged("svac", seed, name)


def _key(
    seed: int, row: tuple[str, str | None, int, str, str | None], ids: Mapping[str, str], first_day: datetime
) -> ApiKey:
    name, workspace, age, status, account = row
    return ApiKey(
        id=api_key_id(seed, name),
        name=name,
        workspace_id=None if workspace is None else ids[workspace],
        created_at=first_day - timedelta(days=age),
        created_by=user_id(seed, "dana"),
        hint=f"sk-ant-api03-{tagged('h', seed, name)[-3:]}...{tagged('t', seed, name)[-4:]}",
        status=status,
        expires_at=first_day - timedelta(days=5) if status == "expired" else None,
        service_account_id=None if account is None else service_account_id(seed, account),
    )


def _spend_limits(seed: int, ids: Mapping[str, str], first_day: datetime) -> tuple[SpendLimit, ...]:
    rows = ((None, "6000000"), ("Staging", "150000"), ("Data Science", "2000000"), ("Production", None))
    return tuple(
        SpendLimit(
            id=tagged("spl", seed, name),
            amount=amount,
            workspace_id=None if name is None else ids[name],
            period="monthly",
            created_at=first_day - timedelta(days=90),
        )
        for name, amount in rows
    )
