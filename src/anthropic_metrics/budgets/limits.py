"""The organization's spend limits in the Console, as read-only budgets: reaching one stops traffic."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import SpendLimit
from anthropic_metrics.config.budgets import PERIODS, BudgetPeriod, BudgetSettings
from anthropic_metrics.errors import AuthError, BadRequest, MetricsError, Stopped
from anthropic_metrics.kernel.currency import is_usd
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.logs import get_logger

log = get_logger(__name__)

PREFIX = "limit: "
_EVERY = timedelta(hours=1)
# A key that may not read them is asked again, in case somebody gives it the right.
_AFTER_REFUSAL = timedelta(days=1)
_CENT = Decimal("0.01")


@dataclass
class SpendLimits:
    """The limits as they were read last, asked for again every hour, or daily where the key may not."""

    client: AdminClient
    refusal: str = ""
    failure: str = ""
    unread: str = ""
    _limits: list[SpendLimit] = field(default_factory=list)
    _next: datetime | None = None
    _read_at: datetime | None = None

    @property
    def trouble(self) -> str:
        """Why limits that the key may read are missing or old; empty where `read` has all there are."""
        return f"Spend limits of the Console cannot be read: {self.failure}" if self.failure else self.unread

    def read(self, now: datetime, problems: Problems, level: int = logging.INFO) -> list[SpendLimit]:
        """The limits as of now; those read before where the API fails, which is asked again the next time.

        `refusal` says why there are none, `failure` why they could not be read this time, `unread` which of
        them could not be. A first refusal is logged at `level`.
        """
        if self._next is not None and self._read_at is not None and self._read_at <= now < self._next:
            return self._limits
        self._read_at, self._next = now, None
        own = Problems()
        try:
            self._limits = endpoints.spend_limits(self.client, problems=own)
            self.refusal, self.failure, self.unread = "", "", str(own)
            self._next = now + _EVERY
        except (AuthError, BadRequest) as error:
            if isinstance(error, AuthError) and error.status == 401:
                raise
            if not self.refusal:
                log.log(level, "spend_limits_not_readable", reason=error.message)
            self.refusal, self.failure, self.unread = error.message, "", ""
            self._limits, self._next = [], now + _AFTER_REFUSAL
        except Stopped:
            raise
        except MetricsError as error:
            goes_on, self.failure = bool(self.failure), str(error)
            log.log(logging.DEBUG if goes_on else logging.WARNING, "spend_limits_kept", reason=self.failure)
        problems.add(own)
        return self._limits


def budgets_of(limits: Iterable[SpendLimit], names: Names) -> Iterator[BudgetSettings]:
    """The limits that are a number of dollars for a period we know, of the organization or a workspace.

    A limit that is switched off or has no number is none, and one of a person is no pool. Workspaces that
    share a name are told apart by their ids, and several limits of one of them by their period.
    """
    found: dict[tuple[str, str | None, BudgetPeriod], Decimal] = {}
    for limit in limits:
        amount = limit.amount
        if amount is None or amount <= 0 or not limit.is_enabled or not is_usd(limit.currency):
            continue
        period = next((known for known in PERIODS if known == limit.period), None)
        name, workspace = _name(limit, names)
        if period is not None and name:
            found.setdefault((name, workspace, period), amount)
    whose = {(name, workspace) for name, workspace, _ in found}
    of_one_name = Counter(name for name, _ in whose)
    of_one_scope = Counter((name, workspace) for name, workspace, _ in found)
    for (name, workspace, period), amount in found.items():
        shown = f"{name} ({workspace})" if of_one_name[name] > 1 else name
        if of_one_scope[name, workspace] > 1 and period != "monthly":
            shown = f"{shown}, {period}"
        # Not validated: a limit's name holds a workspace's, which may be long.
        yield BudgetSettings.model_construct(
            name=shown, usd=amount * _CENT, period=period, workspace=workspace
        )


def _name(limit: SpendLimit, names: Names) -> tuple[str, str | None]:
    """What the budget is called and its workspace; an empty name where the scope is none of ours."""
    match limit.scope_type:
        case "organization":
            return f"{PREFIX}organization", None
        case "usage_tier":
            return f"{PREFIX}usage tier", None
        case "workspace" if (id_ := limit.scope_id) is not None:
            space = names.workspaces.get(id_)
            return f"{PREFIX}workspace {space.name if space else id_}", id_
    return "", None
