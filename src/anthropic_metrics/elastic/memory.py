"""What the streams remember of earlier polls: whose the key is, and what ids were called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elasticsearch import Elasticsearch, NotFoundError

from anthropic_metrics.admin_api.replies import ApiKey, Workspace
from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.failures import translated
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.names import Identity, Names

Body = dict[str, Any]

_USAGE = ("anthropic_metrics.usage", "anthropic_metrics.usage_1d", "anthropic_metrics.usage_1m")
_USED_LATELY = "now-31d"


@dataclass(frozen=True)
class StreamMemory:
    """Asks the agent stream for the organization, the `usage` streams for names.

    `key_digest` names the key. Raises RetryLater when Elasticsearch is away: without its memory the agent
    must not believe a single answer.
    """

    es: Elasticsearch
    agent: str
    usage: tuple[str, ...]
    key_digest: str

    @classmethod
    def of(cls, es: Elasticsearch, namespace: str, key_digest: str) -> StreamMemory:
        """That of a namespace's streams."""
        usage = tuple(stream_name(dataset, namespace) for dataset in _USAGE)
        return cls(es, stream_name(AGENT, namespace), usage, key_digest)

    def organization(self) -> Identity | None:
        """Whose documents the latest poll with this key was for; None for a key that is new here."""
        wanted = _all(
            {"term": {"anthropic.poll.key_digest": self.key_digest}}, {"exists": {"field": "organization.id"}}
        )
        with translated(f"Asking {self.agent}"):
            try:
                answer = query.complete(
                    self.es,
                    self.agent,
                    index=self.agent,
                    query=wanted,
                    sort=[{"@timestamp": "desc"}],
                    source_includes=["organization"],
                    size=1,
                )
            except NotFoundError:
                return None
        for hit in query.hits_of(answer):
            known = hit["_source"]["organization"]
            return Identity(known["id"], known.get("name"))
        return None

    def organizations_of_other_keys(self) -> set[str]:
        """Organizations that polls with other keys are for: they share the namespace on purpose."""
        other: Body = {
            "bool": {
                "filter": [{"exists": {"field": "anthropic.poll.key_digest"}}],
                "must_not": [{"term": {"anthropic.poll.key_digest": self.key_digest}}],
            }
        }
        ids = {"ids": {"terms": {"field": "organization.id", "size": 100}}}
        aggregations = query.aggregate(self.es, self.agent, other, ids)
        return {bucket["key"] for bucket in aggregations.get("ids", {}).get("buckets", ())}

    def names(self, organization_id: str) -> Names | None:
        """What the usage of the last 31 days calls its workspaces and keys; None where there is none."""
        for stream in self.usage:
            spaces = self._latest(stream, organization_id, "workspace")
            keys = self._latest(stream, organization_id, "api_key")
            if spaces or keys:
                return Names.of(
                    organization_id,
                    None,
                    [Workspace.model_validate(source) for source in spaces],
                    [ApiKey.model_validate(source) for source in keys],
                )
        return None

    def _latest(self, stream: str, organization_id: str, what: str) -> list[Mapping[str, Any]]:
        """The object `what` of the latest document of each of its ids that has a name."""
        wanted = _all(
            {"term": {"organization.id": organization_id}},
            {"range": {"@timestamp": {"gte": _USED_LATELY}}},
            {"exists": {"field": f"anthropic.{what}.name"}},
        )
        ids = [{"id": {"terms": {"field": f"anthropic.{what}.id"}}}]
        newest = {"size": 1, "sort": [{"@timestamp": "desc"}], "_source": [f"anthropic.{what}"]}
        buckets = query.composite(self.es, stream, wanted, ids, {"newest": {"top_hits": newest}}, page=1000)
        return [bucket["newest"]["hits"]["hits"][0]["_source"]["anthropic"][what] for bucket in buckets]


def _all(*filters: Body) -> Body:
    return {"bool": {"filter": list(filters)}}
