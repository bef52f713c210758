"""Where the Claude API sends the organization's OpenTelemetry spans, as the Admin API lists it (beta)."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AwareDatetime, Field

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.pages import read_list
from anthropic_metrics.admin_api.reply import Reply, parse_rows
from anthropic_metrics.kernel.problems import Problems

_PATH = "/v1/organizations/telemetry_destinations"
_BETA = ("anthropic-beta", "telemetry-destinations-2026-08-11")


class Delivery(Reply):
    """When spans last arrived, and what went wrong last."""

    last_success_at: AwareDatetime | None = None
    last_error_at: AwareDatetime | None = None
    last_error: str | None = None


class Traces(Reply):
    """Whether spans are sent, and whether prompts and answers go with them (`content`)."""

    enabled: bool = True
    content_mode: str | None = None
    endpoint_url: str | None = None
    max_content_bytes: int | None = None


class Destination(Reply):
    """One destination. Headers have names only: the API never shows their values."""

    nested: ClassVar[tuple[str, ...]] = ("traces", "delivery_health")

    id: str
    display_name: str | None = None
    endpoint_url: str | None = None
    header_names: list[str] | None = None
    state: dict[str, Any] = Field(default_factory=dict)
    traces: Traces = Traces()
    workspaces: dict[str, Any] | None = None
    delivery_health: Delivery = Delivery()
    created_at: AwareDatetime | None = None
    updated_at: AwareDatetime | None = None
    type: str | None = None

    @property
    def name(self) -> str:
        """What the Console calls it, else its id."""
        return self.display_name or self.id

    @property
    def host(self) -> str | None:
        """The host that gets the spans: the rest of an address may hold a secret."""
        try:
            return urlsplit(self.traces.endpoint_url or self.endpoint_url or "").hostname
        except ValueError:
            return None

    @property
    def reason(self) -> str | None:
        """Why it is disabled: caller, sustained_failure, invalid_address, redirect, or what comes next."""
        reason = self.state.get("reason")
        kind = reason.get("type") if isinstance(reason, dict) else reason
        return None if kind is None else str(kind)

    @property
    def health(self) -> str:
        """`disabled`, `off` (sends no traces), `failing` (its last attempt failed), `unused` (nothing was
        delivered yet) or `ok`."""
        last = self.delivery_health
        if self.state.get("type") == "disabled":
            return "disabled"
        if not self.traces.enabled:
            return "off"
        if last.last_error_at and (not last.last_success_at or last.last_error_at > last.last_success_at):
            return "failing"
        return "ok" if last.last_success_at else "unused"


def telemetry_destinations(client: AdminClient, *, problems: Problems) -> list[Destination]:
    """Every destination, disabled ones too; an organization has at most ten.

    Raises AuthError or BadRequest (403, 400, 404) where the organization or the key lacks the preview.
    """
    entries = read_list(client, _PATH, (("limit", "1000"),), headers=(_BETA,))
    return parse_rows(Destination, entries, "telemetry_destinations", problems)
