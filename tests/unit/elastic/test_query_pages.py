from __future__ import annotations

from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig, ObjectApiResponse
from elasticsearch import NotFoundError

from anthropic_metrics.elastic.query import all_hits
from anthropic_metrics.errors import RetryLater

META = ApiResponseMeta(200, "1.1", HttpHeaders(), 0.0, NodeConfig("http", "localhost", 9200))


class Losing:
    """A client whose point in time is lost after the first page."""

    def __init__(self) -> None:
        self.asked = 0

    def open_point_in_time(self, **_: Any) -> ObjectApiResponse[Any]:
        return ObjectApiResponse({"id": "pit"}, META)

    def close_point_in_time(self, **_: Any) -> None:
        return None

    def search(self, **_: Any) -> ObjectApiResponse[Any]:
        self.asked += 1
        if self.asked > 1:
            raise NotFoundError("search_phase_execution_exception", META, {})
        hits = [{"_id": "a", "sort": [1]}, {"_id": "b", "sort": [2]}]
        body = {"timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": hits}}
        return ObjectApiResponse(body, META)


def test_a_point_in_time_that_is_lost_between_pages_is_never_a_whole_answer() -> None:
    found = all_hits(Losing(), "stream", {}, page=2)  # type: ignore[arg-type]
    assert [next(found)["_id"], next(found)["_id"]] == ["a", "b"]
    with pytest.raises(RetryLater, match="cut short"):
        next(found)
