"""The simulated Admin API without its HTTP: one request in, one answer out."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from .analytics import Terms, analytics_report
from .claude_code import claude_code_report
from .clock import epoch
from .identity import tagged
from .lists import Lists, Paging, Shape
from .reports import OpenBucket, cost_report, usage_report
from .requests import Answer, Refusal, Request, error_answer
from .simulation import Simulation
from .tokens import PageTokens

ADMIN_KEY = "sk-ant-admin01-simulated"
# The first is the reference's, the second what the vendor's SDK 2.11 sends.
VERSIONS = ("2023-06-01", "2026-10-21")
_PREFIX = "/v1/organizations"
_WORKSPACE_LIMITS = re.compile(r"/workspaces/([^/]+)/rate_limits")
_ONE = re.compile(r"/(workspaces|api_keys)/([^/]+)")


@dataclass
class Behaviour:
    """What is left open by the API's reference, or differs by its age; may be changed while it runs.

    `open_bucket`: a bucket that has not ended is left out (`omit`), returned as far as it goes
    (`partial`), or a range without a closed bucket is answered with 400 (`error`). `page_tokens_live`: how
    long a page token is taken, None without limit. `requests_per_minute`: more than these are answered with
    429, None for no limit. `analytics`: whether the organization has the analytics reports, and how late
    they are. `claude_code`: whether it has the Claude Code report. `org_admin`: whether the credential may
    read service accounts. Telemetry destinations are the simulation's own (`destinations`).
    """

    open_bucket: OpenBucket = "omit"
    rate_limit_shape: Shape = "new"
    inventory_shape: Shape = "new"
    paging: Paging = "ids"
    page_tokens_live: timedelta | None = None
    requests_per_minute: int | None = None
    org_admin: bool = False
    analytics: Terms = field(default_factory=Terms)
    claude_code: bool = True


class AdminApi:
    """Answers requests from a simulation. `admin_keys` may be changed to rotate keys."""

    def __init__(self, simulation: Simulation, behaviour: Behaviour | None = None) -> None:
        self.simulation = simulation
        self.behaviour = behaviour or Behaviour()
        self.tokens = PageTokens(simulation.clock)
        self.admin_keys = {ADMIN_KEY}
        self._throttle = _Throttle()
        self._request_numbers = itertools.count(1)

    def answer(self, request: Request, key: str | None) -> Answer:
        """The answer to a request that came with this key; refusals are answers too."""
        request_id = tagged("req", self.simulation.seed, next(self._request_numbers))
        try:
            answer = self._checked(request, key)
        except Refusal as refusal:
            answer = error_answer(refusal, request_id)
        own = {
            "content-type": "application/json",
            "request-id": request_id,
            "anthropic-organization-id": self.simulation.organization(request.at).id,
        }
        return replace(answer, headers={**own, **answer.headers})

    def _checked(self, request: Request, key: str | None) -> Answer:
        limit = self.behaviour.requests_per_minute
        if limit is not None:
            self._throttle.take(limit, epoch(request.at))
        if key not in self.admin_keys:
            if key is not None and key.startswith("sk-ant-api"):
                raise Refusal(403, "This endpoint requires an Admin API key.")
            raise Refusal(401, "invalid x-api-key" if key else "x-api-key header is required")
        version = request.headers.get("anthropic-version")
        if version not in VERSIONS:
            what = "header is required" if version is None else f"{version!r} is not a valid version"
            raise Refusal(400, f"anthropic-version: {what}")
        return self._routed(request)

    def _routed(self, request: Request) -> Answer:
        if not request.path.startswith(_PREFIX + "/"):
            raise Refusal(404, "Not found")
        if request.method != "GET":
            raise Refusal(405, "Method Not Allowed")
        path = request.path.removeprefix(_PREFIX)
        how, simulation = self.behaviour, self.simulation
        self.tokens.lifetime = how.page_tokens_live
        if path == "/usage_report/messages":
            return usage_report(simulation, self.tokens, how.open_bucket, request)
        if path == "/cost_report":
            return cost_report(simulation, self.tokens, how.open_bucket, request)
        if path == "/usage_report/claude_code":
            if not how.claude_code:
                raise Refusal(404, "Not found")
            return claude_code_report(simulation, self.tokens, request)
        if path == "/analytics/usage":
            return analytics_report(simulation, self.tokens, how.analytics, "usage", request)
        if path == "/analytics/cost":
            return analytics_report(simulation, self.tokens, how.analytics, "cost", request)
        lists = Lists(
            simulation, self.tokens, how.inventory_shape, how.rate_limit_shape, how.paging, how.org_admin
        )
        return self._list(lists, path, request)

    def _list(self, lists: Lists, path: str, request: Request) -> Answer:
        lists_by_path = {
            "/me": lists.me,
            "/workspaces": lists.workspaces,
            "/api_keys": lists.api_keys,
            "/users": lists.users,
            "/service_accounts": lists.service_accounts,
            "/rate_limits": lists.rate_limits,
            "/spend_limits": lists.spend_limits,
            "/telemetry_destinations": lists.telemetry_destinations,
        }
        if path in lists_by_path:
            return lists_by_path[path](request)
        if path == "/spend_limits/effective":
            raise Refusal(403, "This endpoint is for Claude Enterprise organizations only.")
        if match := _WORKSPACE_LIMITS.fullmatch(path):
            return lists.workspace_rate_limits(request, match[1])
        if match := _ONE.fullmatch(path):
            return (lists.workspace if match[1] == "workspaces" else lists.api_key)(request, match[2])
        raise Refusal(404, "Not found")


class _Throttle:
    """A token bucket for the whole organization, on the simulation's clock."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: float | None = None
        self._at = 0.0

    def take(self, per_minute: int, now: float) -> None:
        """Count one request; 429 with the seconds to wait when there is none left."""
        with self._lock:
            left = per_minute if self._left is None else self._left + (now - self._at) * per_minute / 60
            self._left, self._at = min(float(per_minute), left), now
            if self._left >= 1:
                self._left -= 1
                return
            wait = (1 - self._left) * 60 / per_minute
        headers: Mapping[str, str] = {"retry-after": str(max(1, -int(-wait // 1)))}
        raise Refusal(429, "This request would exceed your organization's rate limit.", headers)
