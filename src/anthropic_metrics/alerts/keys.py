"""The rules over the inventory: keys that expire, that nobody uses, that should be dead, that are new.

An inventory document stands at its UTC day's midnight, so a window of 26 hours always holds the latest one:
the new day's comes within an interval of the poller, and until then yesterday's counts. A longer interval
makes a longer window.
"""

from __future__ import annotations

from datetime import timedelta

from anthropic_metrics.alerts.integration import WORKSPACE
from anthropic_metrics.alerts.rule import Definition
from anthropic_metrics.config import Config
from anthropic_metrics.kernel.datasets import AGENT, INVENTORY, RATE_LIMIT

_LATEST = timedelta(hours=26)
_KEY = "key_id = anthropic.api_key.id"
_NAMED = "key = MAX(anthropic.api_key.name), workspace = MAX(anthropic.workspace.name)"
_ACTIVE_KEYS = 'WHERE anthropic.inventory.type == "api_key" AND anthropic.inventory.state == "active"'


def _polled(config: Config) -> timedelta:
    return config.inventory.interval


KEYS = (
    Definition(
        key="key_expires",
        title="API key expires soon",
        threshold="$key_expires_days days",
        reads=(INVENTORY,),
        query=(
            _ACTIVE_KEYS,
            f"EVAL {_KEY}",
            f"STATS days_left = MIN(anthropic.inventory.expires_in_days), {_NAMED} BY key_id",
            "WHERE days_left <= $key_expires_days",
        ),
        identity=("key_id",),
        subject="{{key}} ({{key_id}}) expires in {{days_left}} days",
        window=_LATEST,
        polled=_polled,
    ),
    Definition(
        key="key_unused",
        title="API key unused for long",
        threshold="$key_unused_days days",
        reads=(INVENTORY,),
        groups=("api_key_id",),
        query=(
            _ACTIVE_KEYS,
            f"EVAL {_KEY}",
            f"STATS unused_days = MIN(anthropic.inventory.days_unused), {_NAMED} BY key_id",
            "WHERE unused_days >= $key_unused_days",
        ),
        identity=("key_id",),
        subject="{{key}} ({{key_id}}) is unused for {{unused_days}} days",
        window=_LATEST,
        polled=_polled,
    ),
    Definition(
        key="retired_key_used",
        title="Inactive, archived or expired API key still used",
        threshold="any use",
        reads=(INVENTORY,),
        groups=("api_key_id",),
        query=(
            'WHERE anthropic.inventory.type == "api_key"',
            f'EVAL {_KEY}, active_on = CASE(anthropic.inventory.state == "active", @timestamp)',
            "STATS active_on = MAX(active_on), since = MIN(@timestamp), newest = MAX(@timestamp), "
            "used_at = MAX(anthropic.inventory.last_used), "
            f"state = MAX(anthropic.inventory.state), {_NAMED} BY key_id",
            # Two days after the last active one: use on the day of its retirement does not count.
            "WHERE used_at >= COALESCE(active_on + 2 days, since + 1 day) AND used_at >= newest - 1 day",
        ),
        identity=("key_id",),
        subject="{{key}} ({{key_id}}) is {{state}} and was used at {{used_at}}",
        # Longer than any pause in its use, so that one retirement is one alert.
        window=timedelta(days=8),
    ),
    Definition(
        key="new_key",
        title="New API key",
        threshold="any new key",
        reads=(AGENT, INVENTORY),
        query=(
            'WHERE event.action == "inventory_change" AND anthropic.inventory_change.type == "api_key" '
            'AND anthropic.inventory_change.why == "created"',
            "EVAL key_id = anthropic.inventory_change.id",
            "STATS seen = MAX(@timestamp), key = MAX(anthropic.inventory_change.name), "
            "created_by = MAX(anthropic.inventory_change.by_id), workspace = MAX(anthropic.workspace.name) "
            "BY key_id",
        ),
        identity=("key_id",),
        subject="{{key}} ({{key_id}}) was created by {{created_by}} in {{workspace}}",
        window=timedelta(days=1),
    ),
    Definition(
        key="workspace_without_limit",
        title="Workspace in use without a rate limit of its own",
        threshold="any use in 30 days",
        reads=(INVENTORY, RATE_LIMIT),
        groups=("workspace_id",),
        query=(
            'WHERE anthropic.inventory.type == "workspace" AND anthropic.inventory.state == "active"',
            f"EVAL {WORKSPACE}",
            "STATS own_limits = MAX(anthropic.inventory.own_limits), "
            "tokens = MAX(anthropic.inventory.tokens_30d), workspace = MAX(anthropic.workspace.name) "
            "BY workspace_id",
            "WHERE own_limits == 0 AND tokens > 0",
        ),
        identity=("workspace_id",),
        subject="{{workspace}} ({{workspace_id}}) used {{tokens}} tokens in 30 days, without a limit",
        window=_LATEST,
        polled=_polled,
    ),
)
