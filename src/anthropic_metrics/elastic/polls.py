"""The agent's own record of its polls: what the last one of each stream did, and when one succeeded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from elasticsearch import Elasticsearch

from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.failures import reading
from anthropic_metrics.elastic.query import Body
from anthropic_metrics.kernel.ranges import from_milliseconds

# `once` from a daily CronJob is allowed to be late by two hours.
SILENT_AFTER = timedelta(hours=26)
_STREAMS = 100
_READ = ["@timestamp", "anthropic.poll", "error"]
_FURTHEST = [{"anthropic.poll.window_end": "desc"}, {"@timestamp": "desc"}]


@dataclass(frozen=True)
class LastPoll:
    """The last poll of a stream, and when the last one that succeeded read up to the present.

    `read_at` is when that one began, `read_to` the end of the range it read; None if none did.
    """

    at: datetime
    failure: str = ""
    bad_rows: int = 0
    read_at: datetime | None = None
    read_to: datetime | None = None

    def is_silent(self, now: datetime) -> bool:
        """Whether no poll has succeeded for longer than any schedule allows."""
        return self.read_at is None or now - self.read_at > SILENT_AFTER


def last_polls(es: Elasticsearch, stream: str, organization_id: str | None) -> dict[str, LastPoll]:
    """The last poll of each stream by its name, from the agent stream: for this organization, or for all that
    share the namespace (jobs of no organization); None: for any. Raises what a search raises.
    """
    newest: Body = {"top_hits": {"size": 1, "sort": [{"@timestamp": "desc"}], "_source": _READ}}
    by: Body = {
        "terms": {"field": "anthropic.poll.stream", "size": _STREAMS},
        "aggs": {
            "last": newest,
            "good": {
                "filter": {"term": {"event.outcome": "success"}},
                "aggs": {"last": {"top_hits": {"size": 1, "sort": _FURTHEST, "_source": _READ}}},
            },
        },
    }
    wanted = {
        "bool": {"filter": [{"term": {"event.action": "poll"}}, *query.of_organization(organization_id)]}
    }
    answer = query.aggregate(es, stream, wanted, {"by": by})
    with reading(f"Reading {stream}"):
        return {bucket["key"]: _poll(bucket) for bucket in answer.get("by", {}).get("buckets", ())}


def read_at(es: Elasticsearch, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
    """When the newest poll of `stream` that succeeded began."""
    value = _figure_of_good_polls(es, agent_stream, organization_id, stream, {"max": {"field": "@timestamp"}})
    return None if value is None else from_milliseconds(value // 1000 * 1000)


def read_from(es: Elasticsearch, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
    """The earliest start of a range that a poll of `stream` read to its end."""
    start: Body = {"min": {"field": "anthropic.poll.window_start"}}
    value = _figure_of_good_polls(es, agent_stream, organization_id, stream, start)
    return None if value is None else from_milliseconds(value)


def read_to(es: Elasticsearch, agent_stream: str, organization_id: str, stream: str) -> datetime | None:
    """The latest end of a range that a poll of `stream` read to its end, or when that poll began, if that is
    earlier: the last bucket of a range may be open."""
    furthest: Body = {"top_hits": {"size": 1, "sort": _FURTHEST, "_source": _READ}}
    found = _sources(_of_good_polls(es, agent_stream, organization_id, stream, furthest))
    if not found:
        return None
    ends = (found[0]["@timestamp"], found[0]["anthropic"]["poll"]["window_end"])
    return min(map(datetime.fromisoformat, ends))


def _figure_of_good_polls(
    es: Elasticsearch, agent_stream: str, organization_id: str, stream: str, figure: Body
) -> float | None:
    value: float | None = _of_good_polls(es, agent_stream, organization_id, stream, figure).get("value")
    return value


def _of_good_polls(
    es: Elasticsearch, agent_stream: str, organization_id: str, stream: str, figure: Body
) -> Body:
    wanted = {
        "bool": {
            "filter": [
                {"term": {"organization.id": organization_id}},
                {"term": {"event.action": "poll"}},
                {"term": {"event.outcome": "success"}},
                {"term": {"anthropic.poll.stream": stream}},
            ]
        }
    }
    answer: Body = query.aggregate(es, agent_stream, wanted, {"figure": figure}).get("figure", {})
    return answer


def _poll(bucket: Mapping[str, Any]) -> LastPoll:
    (last,) = _sources(bucket["last"])
    good = _sources(bucket["good"]["last"])
    poll = last["anthropic"]["poll"]
    return LastPoll(
        datetime.fromisoformat(last["@timestamp"]),
        (last.get("error") or {}).get("message", ""),
        poll.get("bad_rows", 0),
        datetime.fromisoformat(good[0]["@timestamp"]) if good else None,
        datetime.fromisoformat(good[0]["anthropic"]["poll"]["window_end"]) if good else None,
    )


def _sources(hits: Mapping[str, Any]) -> list[Body]:
    return [hit["_source"] for hit in hits.get("hits", {}).get("hits", ())]
