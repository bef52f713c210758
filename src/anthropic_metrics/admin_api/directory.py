"""The Admin API as the directory of the inventory of names."""

from __future__ import annotations

from dataclasses import dataclass

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import ApiKey, Workspace
from anthropic_metrics.kernel.names import Identity
from anthropic_metrics.kernel.problems import Problems

__all__ = ["AdminDirectory"]


@dataclass(frozen=True)
class AdminDirectory:
    """Implements `kernel.inventory.Directory`."""

    client: AdminClient

    @property
    def organization_id(self) -> str | None:
        """Whose the key is by the headers of the answers so far."""
        return self.client.organization_id

    def organization(self) -> Identity:
        """The organization of the key."""
        return endpoints.organization(self.client).identity

    def workspaces(self, *, problems: Problems) -> list[Workspace]:
        """All workspaces, archived ones too."""
        return endpoints.workspaces(self.client, problems=problems)

    def api_keys(self, *, problems: Problems) -> list[ApiKey]:
        """All API keys in whatever state."""
        return endpoints.api_keys(self.client, problems=problems)
