"""The endpoints that list things: inventory, limits, spend limits; in both styles of paging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from .parameters import choice, flag, known, whole_number
from .requests import Answer, Refusal, Request, dump
from .simulation import Simulation
from .tokens import PageTokens

Shape = Literal["new", "old"]
Paging = Literal["ids", "page"]

_GROUP_TYPES = ("model_group", "batch", "token_count", "files", "skills", "web_search")
_STATUSES = ("active", "inactive", "archived", "expired")
_PAGING = {"ids": ("limit", "after_id", "before_id"), "page": ("limit", "page")}
_DEFAULT_LIMIT, _LARGEST_LIMIT = 20, 1000


@dataclass(frozen=True, slots=True)
class Lists:
    """Answers of the list endpoints. `paging` is the style of the inventory lists: `ids` (has_more,
    first_id, last_id, after_id) or `page` (has_more, next_page)."""

    simulation: Simulation
    tokens: PageTokens
    inventory_shape: Shape
    rate_limit_shape: Shape
    paging: Paging
    org_admin: bool = False

    def me(self, request: Request) -> Answer:
        known(request, ())
        return _answer(self.simulation.me(request.at))

    def workspaces(self, request: Request) -> Answer:
        known(request, (*_PAGING[self.paging], "include_archived", "include_default"), ("ids[]",))
        rows = self.simulation.workspaces(
            request.at,
            default=flag(request, "include_default"),
            archived=flag(request, "include_archived"),
            shape=self.inventory_shape,
        )
        wanted = request.all("ids[]")
        return self._listed(request, [row for row in rows if not wanted or row["id"] in wanted])

    def workspace(self, request: Request, workspace_id: str) -> Answer:
        known(request, ())
        return _one(self.simulation.workspaces(request.at, shape=self.inventory_shape), workspace_id)

    def api_keys(self, request: Request) -> Answer:
        known(request, (*_PAGING[self.paging], "status", "workspace_id", "created_by_user_id"))
        status = choice(request, "status", _STATUSES)
        workspace, creator = request.get("workspace_id"), request.get("created_by_user_id")
        rows = [
            row
            for row in self.simulation.api_keys(request.at, shape=self.inventory_shape)
            if status in (None, row["status"])
            and creator in (None, row["created_by"]["id"])
            and workspace
            in (None, row["workspace_id"] if "scope" not in row else row["scope"].get("workspace_id"))
        ]
        return self._listed(request, rows)

    def api_key(self, request: Request, key_id: str) -> Answer:
        known(request, ())
        return _one(self.simulation.api_keys(request.at, shape=self.inventory_shape), key_id)

    def users(self, request: Request) -> Answer:
        known(request, (*_PAGING[self.paging], "email"), ("roles[]",))
        email, roles = request.get("email"), request.all("roles[]")
        rows = self.simulation.users(request.at)
        chosen = [
            row for row in rows if email in (None, row["email"]) and (not roles or row["role"] in roles)
        ]
        return self._listed(request, chosen)

    def service_accounts(self, request: Request) -> Answer:
        """Only for a bearer token: an Admin API key is refused."""
        known(request, ("limit", "page", "include_archived"))
        if not self.org_admin:
            raise Refusal(403, "This endpoint requires an OAuth token with the scope org:admin.")
        rows = self.simulation.service_accounts(request.at, archived=flag(request, "include_archived"))
        return self._limited(request, rows)

    def rate_limits(self, request: Request) -> Answer:
        known(request, ("group_type", "model", "limit", "page"))
        kind, model = choice(request, "group_type", _GROUP_TYPES), request.get("model")
        rows = [
            row
            for row in self.simulation.rate_limits(request.at, shape=self.rate_limit_shape)
            if kind in (None, _group_type(row)) and (model is None or model in (row["models"] or ()))
        ]
        if model is not None and not rows:
            raise Refusal(404, f"No rate limits found for model {model!r}.")
        return self._limited(request, rows)

    def workspace_rate_limits(self, request: Request, workspace_id: str) -> Answer:
        known(request, ("group_type", "include_inherited", "limit", "page"))
        kind, inherited = choice(request, "group_type", _GROUP_TYPES), flag(request, "include_inherited")
        try:
            rows = self.simulation.workspace_rate_limits(
                workspace_id, request.at, inherited=inherited, shape=self.rate_limit_shape
            )
        except KeyError:
            raise Refusal(404, f"Workspace {workspace_id} not found.") from None
        return self._limited(request, [row for row in rows if kind in (None, _group_type(row))])

    def spend_limits(self, request: Request) -> Answer:
        known(request, ("limit", "page"))
        return self._limited(request, self.simulation.spend_limits(request.at))

    def telemetry_destinations(self, request: Request) -> Answer:
        """Refused where the simulation has no `destinations` at all: a preview."""
        known(request, ("limit", "page"), ("workspace_ids[]",))
        betas = [beta.strip() for beta in request.headers.get("anthropic-beta", "").split(",")]
        if self.simulation.destinations is None:
            raise Refusal(403, "This organization is not enrolled in the preview of telemetry destinations.")
        if "telemetry-destinations-2026-08-11" not in betas:
            raise Refusal(400, "anthropic-beta: telemetry-destinations-2026-08-11 is required")
        return self._limited(request, self.simulation.destinations)

    def _limited(self, request: Request, rows: Sequence[Any]) -> Answer:
        """`{data, next_page}`; without `limit` all that is left in one page."""
        begin = self.tokens.read(request) or 0
        limit = whole_number(request, "limit", max(1, len(rows)), _LARGEST_LIMIT)
        more = begin + limit < len(rows)
        following = self.tokens.make(request, begin + limit) if more else None
        return _answer({"data": rows[begin : begin + limit], "next_page": following})

    def _listed(self, request: Request, rows: Sequence[dict[str, Any]]) -> Answer:
        limit = whole_number(request, "limit", _DEFAULT_LIMIT, _LARGEST_LIMIT)
        if self.paging == "page":
            begin = self.tokens.read(request) or 0
            more = begin + limit < len(rows)
            following = self.tokens.make(request, begin + limit) if more else None
            return _answer({"data": rows[begin : begin + limit], "has_more": more, "next_page": following})
        chosen, more = _around(request, rows, limit)
        first, last = (chosen[0]["id"], chosen[-1]["id"]) if chosen else (None, None)
        return _answer({"data": chosen, "has_more": more, "first_id": first, "last_id": last})


def _around(request: Request, rows: Sequence[dict[str, Any]], limit: int) -> tuple[Sequence[Any], bool]:
    """The page after or before an id, and whether there is more in that direction."""
    ids = [row["id"] for row in rows]
    after, before = request.get("after_id"), request.get("before_id")
    if after is not None and before is not None:
        raise Refusal(400, "after_id and before_id cannot be used together")
    for name, value in (("after_id", after), ("before_id", before)):
        if value is not None and value not in ids:
            raise Refusal(400, f"{name}: no such object {value!r}")
    if before is not None:
        end = ids.index(before)
        return rows[max(0, end - limit) : end], end > limit
    begin = 0 if after is None else ids.index(after) + 1
    return rows[begin : begin + limit], begin + limit < len(rows)


def _one(rows: Sequence[dict[str, Any]], wanted: str) -> Answer:
    for row in rows:
        if row["id"] == wanted:
            return _answer(row)
    raise Refusal(404, f"{wanted} not found.")


def _group_type(row: dict[str, Any]) -> str:
    kind: str = row["group"]["type"] if "group" in row else row["group_type"]
    return kind


def _answer(value: Any) -> Answer:
    return Answer(200, dump(value))
