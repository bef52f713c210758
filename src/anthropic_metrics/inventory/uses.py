"""Asks our own streams who used what: first and last use, tokens and dollars of thirty days, own limits."""

from __future__ import annotations

from anthropic_metrics.config import Config
from anthropic_metrics.inventory.build import Uses
from anthropic_metrics.inventory.resources import Kind
from anthropic_metrics.kernel.datasets import RATE_LIMIT, SPEND, stream_name
from anthropic_metrics.kernel.frame import Frame
from anthropic_metrics.kernel.questions import Questions
from anthropic_metrics.kernel.ranges import DAY, WIDTHS
from anthropic_metrics.limits.groups import LimitGroup
from anthropic_metrics.reports.views import View, usage_view

_WINDOW = 29 * DAY
# The dimension that usage has to be split by, and the field of both streams that names the resource.
_FIELDS = {
    Kind.organization: ("", "organization.id"),
    Kind.workspace: ("workspace_id", "anthropic.workspace.id"),
    Kind.api_key: ("api_key_id", "anthropic.api_key.id"),
    Kind.user: ("account_id", "anthropic.{}.account_id"),
    Kind.service_account: ("service_account_id", "anthropic.{}.service_account_id"),
}


def read_uses(config: Config, ask: Questions, frame: Frame) -> Uses:
    """The use of every kind that usage is split by; nothing where no usage is collected.

    Raises what the questions raise.
    """
    limits = _own_limits(config, ask, frame)
    view = _usage(config)
    if view is None:
        return Uses(limits=limits)
    spend = stream_name(SPEND, config.namespace)
    ask.refresh(view.stream, spend)
    organization, since = frame.names.organization_id, frame.bucket.start - _WINDOW
    split = {kind: name for kind, (dimension, name) in _FIELDS.items() if dimension in ("", *view.group_by)}
    tokens = {
        kind: ask.used(view.stream, organization, name.format("usage"), "anthropic.usage.total_tokens", since)
        for kind, name in split.items()
    }
    dollars = {
        kind: ask.used(spend, organization, name.format("spend"), "anthropic.spend.amount_usd", since)
        for kind, name in split.items()
        if config.spend.enabled and view.width == "1h"
    }
    own = tokens[Kind.organization].get(organization)
    return Uses(tokens, dollars, own.first if own else None, frozenset(config.usage.workspace_ids), limits)


def used_datasets(config: Config) -> tuple[str, ...]:
    """The datasets that `read_uses` reads, collected or not."""
    view = _usage(config)
    return (RATE_LIMIT,) if view is None else (view.dataset, SPEND, RATE_LIMIT)


def _usage(config: Config) -> View | None:
    """Usage by the hour, else by the day, else by the minute."""
    widths = sorted(WIDTHS, key=("1h", "1d", "1m").index)
    return next(filter(None, (usage_view(config, width) for width in widths)), None)


def _own_limits(config: Config, ask: Questions, frame: Frame) -> dict[str, int]:
    """By workspace how many limits it has of its own, by the latest snapshot."""
    settings = config.rate_limits
    if not (settings.enabled and settings.workspaces):
        return {}
    stream = stream_name(RATE_LIMIT, config.namespace)
    ask.refresh(stream)
    history = ask.limit_history(stream, frame.names.organization_id)
    snapshots = history.before(frame.now + settings.interval, set(frame.names.workspaces))
    return {
        scope: sum(len(LimitGroup.of_row(row).limits) for row in rows)
        for scope, (_, rows) in snapshots.items()
        if scope is not None
    }
