"""Telemetry destinations as the Admin API lists them."""

from __future__ import annotations

from typing import Any


def destination(
    name: str, state: str = "enabled", *, why: str = "sustained_failure", **health: str | None
) -> dict[str, Any]:
    """A row of the list of telemetry destinations; `health` replaces values of its `delivery_health`."""
    reason = {"reason": {"type": why}} if state == "disabled" else {}
    delivered = {"last_success_at": "2026-10-06T15:39:00Z", "last_error_at": None, "last_error": None}
    return {
        "type": "telemetry_destination",
        "id": f"tdst_{name}",
        "display_name": name,
        "endpoint_url": f"https://{name}.example/in",
        "header_names": ["Authorization"],
        "state": {"type": state, **reason},
        "traces": {
            "enabled": True,
            "content_mode": "metadata_only",
            "endpoint_url": None,
            "max_content_bytes": None,
        },
        "workspaces": {"type": "all"},
        "delivery_health": delivered | health,
        "created_at": "2026-10-01T00:00:00Z",
        "updated_at": "2026-10-01T00:00:00Z",
    }
