"""The API keys of the latest inventory: which are unused, which expire, and who has how many. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self

from anthropic_metrics.kernel.questions import Row

NO_NAME = "(none)"
ACTIVE = "active"


class By(StrEnum):
    """What keys are counted by."""

    workspace = "workspace"
    owner = "owner"


@dataclass(frozen=True)
class Key:
    """An API key as it stood on `day`. None where our own streams or the Admin API do not say."""

    name: str
    id: str
    state: str
    workspace: str | None
    owner: str | None
    day: datetime
    created: datetime | None
    expires: datetime | None
    expires_in: timedelta | None
    last_used: datetime | None
    unused: timedelta | None
    tokens: int | None
    usd: Decimal | None

    @classmethod
    def of(cls, source: Row) -> Self:
        """From a document of the inventory stream."""
        anthropic = source["anthropic"]
        fields, workspace = anthropic["inventory"], anthropic.get("workspace") or {}
        usd = fields.get("spend_usd_30d")
        return cls(
            name=fields.get("name") or fields["id"],
            id=fields["id"],
            state=fields["state"],
            workspace=workspace.get("name") or workspace.get("id"),
            owner=fields.get("owner_name") or fields.get("owner_id"),
            day=datetime.fromisoformat(source["@timestamp"]),
            created=_moment(fields.get("created_at")),
            expires=_moment(fields.get("expires_at")),
            expires_in=_days(fields.get("expires_in_days")),
            last_used=_moment(fields.get("last_used")),
            unused=_days(fields.get("days_unused")),
            tokens=fields.get("tokens_30d"),
            usd=None if usd is None else Decimal(repr(usd)),
        )


@dataclass(frozen=True)
class Wanted:
    """Only active keys that are unused for so long, and that expire within so long; None: all keys."""

    unused: timedelta | None = None
    expiring: timedelta | None = None

    def chooses(self, key: Key) -> bool:
        """Whether the key is one of them. A key whose use is not known is never unused."""
        if self.unused is None and self.expiring is None:
            return True
        late = self.unused is None or (key.unused is not None and key.unused >= self.unused)
        soon = self.expiring is None or (key.expires_in is not None and key.expires_in <= self.expiring)
        return key.state == ACTIVE and late and soon


@dataclass(frozen=True)
class Group:
    """The keys of one workspace or owner."""

    name: str
    keys: int
    active: int
    longest_unused: timedelta | None
    tokens: int
    usd: Decimal


def newest(sources: Iterable[Row]) -> list[Key]:
    """The keys of the newest day among the latest documents; those deleted on it are left out."""
    keys = [Key.of(source) for source in sources if source["anthropic"]["inventory"]["type"] == "api_key"]
    day = max((key.day for key in keys), default=None)
    return [key for key in keys if key.day == day and key.state != "deleted"]


def grouped(keys: Sequence[Key], by: By) -> list[Group]:
    """By workspace or owner, most keys first."""
    names: dict[str, list[Key]] = {}
    for key in keys:
        names.setdefault(getattr(key, by.value) or NO_NAME, []).append(key)
    groups = [_group(name, own) for name, own in names.items()]
    return sorted(groups, key=lambda group: (-group.keys, group.name))


def _group(name: str, keys: Sequence[Key]) -> Group:
    return Group(
        name,
        len(keys),
        sum(key.state == ACTIVE for key in keys),
        max((key.unused for key in keys if key.state == ACTIVE and key.unused is not None), default=None),
        sum(key.tokens or 0 for key in keys),
        sum((key.usd or Decimal(0) for key in keys), Decimal(0)),
    )


def _moment(text: Any) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _days(count: Any) -> timedelta | None:
    return None if count is None else timedelta(days=count)
