from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig, ObjectApiResponse
from elasticsearch import ApiError, BadRequestError, NotFoundError

from anthropic_metrics.cli.trust import corrections_since
from anthropic_metrics.config import Config
from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.query import all_hits, esql
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import RetryLater
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kibana.ask import ask

NOW = datetime(2026, 11, 20, tzinfo=UTC)
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
    found = all_hits(cast(Client, Losing()), "stream", {}, page=2)
    assert [next(found)["_id"], next(found)["_id"]] == ["a", "b"]
    with pytest.raises(RetryLater, match="cut short"):
        next(found)


class Partial(Losing):
    """A client one of whose shards fails for every search."""

    def search(self, **_: Any) -> ObjectApiResponse[Any]:
        hits = [{"_id": "a", "sort": [1], "_source": {}}]
        body = {"timed_out": False, "_shards": {"failed": 1}, "hits": {"hits": hits}}
        return ObjectApiResponse(body, META)


def test_corrections_of_some_shards_only_are_an_error_and_never_a_list(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(query, "PAUSES", ())
    with pytest.raises(RetryLater, match="some of the shards"):
        corrections_since(cast(Client, Partial()), Config(), "o", datetime(2026, 11, 1, tzinfo=UTC))


class Starting:
    """ES|QL of a client whose newest backing index, which a rollover made, has no shard for two questions."""

    def __init__(self, *answers: Any) -> None:
        self.esql = self
        self.answers = list(answers)

    def query(self, **_: Any) -> ObjectApiResponse[Any]:
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return ObjectApiResponse(answer, META)


NO_SHARD = ApiError("no shard", META, {"error": {"type": "no_shard_available_action_exception"}})
PART = {"is_partial": True, "columns": [], "values": []}
WHOLE = {"is_partial": False, "columns": [{"name": "n", "type": "long"}], "values": [[1]]}


def test_a_query_is_asked_again_while_a_shard_is_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anthropic_metrics.elastic.query.time.sleep", lambda _: None)
    starting: Any = Starting(NO_SHARD, PART, WHOLE)
    assert esql(starting, "FROM x", doing="Asking") == (["n"], [[1]])
    never: Any = Starting(PART, PART, PART, PART)
    with pytest.raises(RetryLater, match="some of the shards"):
        esql(never, "FROM x", doing="Asking")


UNKNOWN = BadRequestError(
    "unknown", META, {"error": {"type": "verification_exception", "reason": "line 1:6: Unknown index [x-*]"}}
)
ALL_FAILED = ApiError(
    "all shards failed",
    ApiResponseMeta(503, "1.1", HttpHeaders(), 0.0, META.node),
    {"error": {"type": "search_phase_execution_exception", "reason": "all shards failed"}},
)


class Recovering(Starting):
    """ES|QL calls the index unknown while its shard starts; a search knows that the shard is to come."""

    def __init__(self, shards: Any, *answers: Any) -> None:
        super().__init__(*answers)
        self.shards = shards

    def search(self, **_: Any) -> ObjectApiResponse[Any]:
        if isinstance(self.shards, Exception):
            raise self.shards
        return ObjectApiResponse({"_shards": {"total": self.shards, "failed": 0}}, META)


def test_a_stream_whose_shards_are_starting_is_never_called_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anthropic_metrics.elastic.query.time.sleep", lambda _: None)
    never: Any = Recovering(ALL_FAILED, *[UNKNOWN] * 4)
    with pytest.raises(RetryLater, match="all shards failed"):
        ask(never, "FROM x-*, y METADATA _index | LIMIT 1", NOW, NOW)
    started: Any = Recovering(1, UNKNOWN, WHOLE)
    assert ask(started, "FROM x-* | LIMIT 1", NOW, NOW).rows == ((1,),)


def test_a_stream_without_any_shard_is_absent() -> None:
    absent: Any = Recovering(0, UNKNOWN, UNKNOWN)
    assert ask(absent, "FROM x-* | LIMIT 1", NOW, NOW).missing == ("x-*",)


class ManyValues(Losing):
    """A client with a window whose keyword has more values than an aggregation of terms answers."""

    def search(self, **search: Any) -> ObjectApiResponse[Any]:
        start, aggregations = NOW.timestamp() * 1000, search["aggregations"]
        found: dict[str, Any] = {"value": 2.0}
        if "windows" in aggregations:
            by = {"buckets": [{"key": "a", "sum": found}], "sum_other_doc_count": 7}
            answer = {"windows": {"buckets": [{"key": start, "by": by}]}}
        else:
            keys = [{"@timestamp": start, "key": value} for value in ("a", "b", "c")]
            answer = {"all": {"buckets": [{"key": key, "sum": found} for key in keys]}}
        body = {"timed_out": False, "_shards": {"failed": 0}, "aggregations": answer}
        return ObjectApiResponse(body, META)


def test_amounts_of_more_values_than_one_answer_holds_are_all_there() -> None:
    ask, day = ElasticQuestions(cast(Client, ManyValues())), timedelta(days=1)
    amounts = ask.amounts("stream", "org", Range(NOW, NOW + day), day, "key", "usd")
    assert amounts == {NOW: {"a": 2.0, "b": 2.0, "c": 2.0}}
