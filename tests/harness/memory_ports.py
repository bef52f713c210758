"""Nothing at all, behind the ports: for tests that only look at what would be done."""

from __future__ import annotations

from typing import Any

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.agent.core import utc_now
from anthropic_metrics.agent.organization import Organization
from anthropic_metrics.config import AnthropicSettings, Config
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.jobs import Job
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.reports.poller import ViewPoller


def view_pollers(organization: Organization) -> list[ViewPoller]:
    """The pollers of the reports by buckets."""
    return [poller for poller in organization.pollers if isinstance(poller, ViewPoller)]


def scheduled(config: Config) -> list[Job]:
    """The daemon's jobs; running one fails."""
    settings = AnthropicSettings.model_validate({"admin_key": "sk-ant-admin-unused"})
    nothing: Any = None
    with AdminClient(settings) as client:
        organization = Organization(config, client, Inventory(AdminDirectory(client)), clock=utc_now)
        return organization.scheduled(Sink(nothing, nothing, nothing))
