"""Several streams are made visible together."""

from __future__ import annotations

from typing import Any, cast

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig, ObjectApiResponse
from elasticsearch import AuthorizationException, Elasticsearch, NotFoundError

from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import AuthError

NODE = NodeConfig("http", "localhost", 9200)


class Cluster:
    """Streams that can be refreshed, and those that a user must not."""

    def __init__(self, *streams: str, forbidden: str = "") -> None:
        self.streams, self.forbidden = streams, forbidden
        self.asked: list[str] = []
        self.indices = self

    def refresh(self, *, index: str) -> ObjectApiResponse[Any]:
        self.asked.append(index)
        names = index.split(",")
        if self.forbidden in names:
            raise AuthorizationException("security_exception", _meta(403), {})
        if not set(names) <= set(self.streams):
            raise NotFoundError("index_not_found_exception", _meta(404), {})
        return ObjectApiResponse({"_shards": {"failed": 0}}, _meta(200))

    def questions(self, *, must_refresh: bool = True) -> ElasticQuestions:
        return ElasticQuestions(cast(Elasticsearch, self), must_refresh)


def _meta(status: int) -> ApiResponseMeta:
    return ApiResponseMeta(status, "1.1", HttpHeaders(), 0.0, NODE)


def test_several_streams_are_made_visible_with_one_request() -> None:
    cluster = Cluster("usage", "cost")
    cluster.questions().refresh("usage", "cost")
    assert cluster.asked == ["usage,cost"]


def test_where_one_stream_does_not_exist_the_others_are_made_visible_all_the_same() -> None:
    cluster = Cluster("usage", "cost")
    cluster.questions().refresh("spend", "usage", "cost")
    assert cluster.asked == ["spend,usage,cost", "spend", "usage", "cost"]


def test_a_stream_that_an_agent_must_not_refresh_is_an_error_among_others_too() -> None:
    with pytest.raises(AuthError):
        Cluster("usage", forbidden="cost").questions().refresh("usage", "cost")


def test_a_reader_refreshes_each_stream_for_which_it_has_the_right() -> None:
    cluster = Cluster("usage", "agent", forbidden="cost")
    cluster.questions(must_refresh=False).refresh("usage", "cost", "agent")
    assert cluster.asked == ["usage", "cost", "agent"]
