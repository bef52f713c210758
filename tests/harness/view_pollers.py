"""The pollers of a small simulated organization, over streams in memory."""

from __future__ import annotations

from datetime import timedelta

from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient, Priority
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.config import AnthropicSettings, Backfill, Config, RateLimitSettings, UsageSettings
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ranges import WIDTHS, Range, ceil, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.reports.poller import ViewPoller
from anthropic_metrics.reports.views import views
from anthropic_metrics.simulator import ADMIN_KEY
from tests.harness.memory_streams import MemoryStreams, Wire

CONFIG = Config(
    anthropic=AnthropicSettings(
        base_url="http://admin.test", admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
    ),
    backfill=Backfill(timedelta(days=1)),
    usage=UsageSettings(granularities=("1m", "1h"), minute_backfill=timedelta(minutes=20)),
    rate_limits=RateLimitSettings(enabled=False),
)


def connected(wire: Wire) -> tuple[AdminClient, Inventory]:
    client = AdminClient(
        CONFIG.anthropic, transport=wire.transport(), sleep=lambda _: None, clock=wire.clock.now
    )
    return client, Inventory(AdminDirectory(client))


def pollers(wire: Wire, through: tuple[AdminClient, Inventory] | None = None) -> list[ViewPoller]:
    """Fresh ones, that remember nothing: cost, usage by the hour and by the minute."""
    client, inventory = through or connected(wire)
    return [ViewPoller(view, client, inventory, clock=wire.clock.now) for view in views(CONFIG)]


def keep(poller: ViewPoller, streams: MemoryStreams, whole: Range, *, verify: bool = False) -> Tally:
    tally = Tally(poller.view.poller, poller.view.stream)
    poller.keep(whole, streams, tally, record=lambda _: None, priority=Priority.LIVE, verify=verify)
    return tally


def history(poller: ViewPoller, wire: Wire) -> Range:
    step = WIDTHS[poller.view.width]
    return Range(floor(poller.view.history(wire.clock.now()), step), ceil(wire.clock.now(), step))
