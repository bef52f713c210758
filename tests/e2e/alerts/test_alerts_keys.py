"""Rules over the inventory that no replay holds yet, asked of documents that say exactly what they judge."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch

from anthropic_metrics.alerts.catalog import rules
from anthropic_metrics.alerts.execute import run
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.errors import NoData

DAY = datetime(2026, 11, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)

Put = Callable[..., None]
Alerts = Callable[[str, datetime], list[str]]


@pytest.fixture
def config(es: Elasticsearch, elasticsearch_url: str, namespace: str) -> Config:
    given = {"namespace": namespace, "elasticsearch": {"hosts": [elasticsearch_url]}}
    made = Config.model_validate(given)
    ensure(es, made)
    return made


@pytest.fixture
def put(es: Elasticsearch, config: Config) -> Put:
    """Puts a resource as it stood on a day into the inventory."""

    def put(kind: str, id_: str, at: datetime, **facts: Any) -> None:
        resource = {kind: {"id": id_, "name": id_}}
        source = {
            "@timestamp": at.isoformat(),
            "agent": {"name": "anthropic-metrics", "type": "anthropic-metrics"},
            "organization": {"id": "org"},
            "anthropic": {**resource, "inventory": {"type": kind, "state": "active", **facts}},
        }
        stream = f"metrics-anthropic_metrics.inventory-{config.namespace}"
        es.create(index=stream, id=f"{id_} {at.isoformat()}", document=source, refresh=True)

    return put


@pytest.fixture
def alerts(es: Elasticsearch, config: Config) -> Alerts:
    """The ids of a rule's alerts at a moment."""

    def alerts(key: str, at: datetime) -> list[str]:
        (rule,) = [rule for rule in rules(config) if rule.key == key]
        return [alert.id for alert in run(es, rule, at)]

    return alerts


def test_a_retired_key_is_told_when_it_is_used_on_a_later_day(put: Put, alerts: Alerts) -> None:
    for id_, used in (("goes-on", DAY + 29 * HOUR), ("stopped", DAY + 2 * HOUR)):
        put("api_key", id_, DAY - 24 * HOUR, last_used=(DAY - 3 * HOUR).isoformat())
        put("api_key", id_, DAY, state="inactive", last_used=(DAY + 2 * HOUR).isoformat())
        put("api_key", id_, DAY + 24 * HOUR, state="inactive", last_used=used.isoformat())
    # On the day of its retirement its use may have been allowed.
    assert alerts("retired_key_used", DAY + 23 * HOUR) == []
    assert alerts("retired_key_used", DAY + 30 * HOUR) == ["goes-on"]


def test_an_active_key_is_told_when_it_is_unused_for_ninety_days(put: Put, alerts: Alerts) -> None:
    put("api_key", "idle", DAY, days_unused=90)
    put("api_key", "used", DAY, days_unused=89)
    put("api_key", "retired", DAY, days_unused=200, state="inactive")
    assert alerts("key_unused", DAY + HOUR) == ["idle"]


def test_a_rule_of_two_streams_has_no_data_until_both_are_there(put: Put, alerts: Alerts) -> None:
    put("workspace", "open", DAY, own_limits=0, tokens_30d=5)
    with pytest.raises(NoData, match="rate_limit"):
        alerts("workspace_without_limit", DAY + HOUR)


def test_a_workspace_in_use_without_a_limit_of_its_own_is_told(
    es: Elasticsearch, put: Put, alerts: Alerts, config: Config
) -> None:
    stream = f"metrics-anthropic_metrics.rate_limit-{config.namespace}"
    es.create(index=stream, id="any", document={"@timestamp": DAY.isoformat()}, refresh=True)
    put("workspace", "open", DAY, own_limits=0, tokens_30d=5)
    put("workspace", "limited", DAY, own_limits=1, tokens_30d=5)
    put("workspace", "idle", DAY, own_limits=0, tokens_30d=0)
    put("workspace", "archived", DAY, own_limits=0, tokens_30d=5, state="archived")
    assert alerts("workspace_without_limit", DAY + HOUR) == ["open"]
