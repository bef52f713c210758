"""What a stream holds and whose: our documents, documents of others, documents of other organizations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.documents.base import AGENT_NAME
from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.failures import reading
from anthropic_metrics.elastic.query import Body
from anthropic_metrics.kernel.ranges import from_milliseconds, iso

_OWN: Body = {"term": {"agent.type": AGENT_NAME}}
_FOREIGN: Body = {"bool": {"must_not": [_OWN]}}
_NAMED = 10  # owners and organizations that are told apart; more are counted all the same
UNKNOWN = "unknown"


@dataclass(frozen=True)
class Share:
    """Documents of one owner or organization; `name` is `unknown` where they do not say."""

    name: str
    documents: int


@dataclass(frozen=True)
class Contents:
    """One stream. `newest` is the latest `@timestamp` of the agent's own `documents`."""

    documents: int = 0
    newest: datetime | None = None
    foreign: tuple[Share, ...] = ()
    organizations: tuple[Share, ...] = ()

    @property
    def foreign_documents(self) -> int:
        """Documents that another shipper wrote."""
        return sum(share.documents for share in self.foreign)


def contents(
    es: Elasticsearch,
    stream: str,
    organization_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Contents:
    """What `stream` holds from `since` to `until`; nothing for a stream that does not exist.

    The documents are those of `organization_id`, and those that say none; `organizations` are the others.
    Without an id they are those of any organization. Raises what a search raises.
    """
    within = _within(since, until)
    answer = query.aggregate(es, stream, within, {"own": _own(organization_id), "foreign": _foreign()})
    if not answer:
        return Contents()
    with reading(f"Reading {stream}"):
        own, foreign = answer["own"], answer["foreign"]
        mine = own["mine"]
        newest = mine["newest"]["value"]
        shares = tuple(
            Share(_agent(bucket), bucket["doc_count"]) for bucket in foreign["by"]["buckets"]
        ) + _rest(foreign["by"])
        others = own["others"]["by"]
        return Contents(
            mine["doc_count"],
            None if newest is None else from_milliseconds(newest),
            shares,
            tuple(Share(bucket["key"], bucket["doc_count"]) for bucket in others["buckets"]) + _rest(others),
        )


def _within(since: datetime | None, until: datetime | None) -> Body:
    bounds = {"gte": since, "lt": until}
    bounded = {name: iso(moment) for name, moment in bounds.items() if moment is not None}
    return {"range": {"@timestamp": bounded}} if bounded else {"match_all": {}}


def _own(organization_id: str | None) -> Body:
    others: Body = {
        "bool": {
            "filter": [{"exists": {"field": "organization.id"}}],
            "must_not": [{"term": {"organization.id": organization_id or ""}}],
        }
    }
    if organization_id is None:
        others = {"match_none": {}}
    return {
        "filter": _OWN,
        "aggs": {
            "mine": {
                "filter": {"bool": {"filter": query.of_organization(organization_id)}},
                "aggs": {"newest": {"max": {"field": "@timestamp"}}},
            },
            "others": {"filter": others, "aggs": {"by": _terms("organization.id")}},
        },
    }


def _foreign() -> Body:
    newest = {"top_hits": {"size": 1, "sort": [{"@timestamp": "desc"}], "_source": ["agent"]}}
    return {"filter": _FOREIGN, "aggs": {"by": {**_terms("agent.name"), "aggs": {"newest": newest}}}}


def _terms(field: str) -> Body:
    return {"terms": {"field": field, "missing": UNKNOWN, "size": _NAMED}}


def _rest(terms: Mapping[str, Any]) -> tuple[Share, ...]:
    left: int = terms.get("sum_other_doc_count", 0)
    return (Share("others", left),) if left else ()


def _agent(bucket: Mapping[str, Any]) -> str:
    """The shipper as it calls itself: name and version, and its kind where that is another word."""
    agent = bucket["newest"]["hits"]["hits"][0]["_source"].get("agent")
    said = agent if isinstance(agent, dict) else {}
    name, version, kind = str(bucket["key"]), said.get("version"), said.get("type")
    text = f"{name} {version}" if version else name
    return f"{text} ({kind})" if kind and kind != name else text
