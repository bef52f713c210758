"""Dashboards into a Kibana over real HTTP: version first, one space, failures object by object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import ApiError

from anthropic_metrics.config import KibanaSettings
from anthropic_metrics.elastic.steps import Step
from anthropic_metrics.kibana import install
from anthropic_metrics.kibana.definitions import load_bundle
from anthropic_metrics.kibana.install import (
    create_streams,
    install_dashboards,
    listed,
    plan_dashboards,
    saved_objects_text,
)
from anthropic_metrics.streams.registry import STREAMS
from anthropic_metrics.telemetry.spans import SOURCES
from tests.servers.kibana import SimulatedKibana

KEY = "a2V5LW9mLWEtdGVzdA=="
OBJECTS = listed(saved_objects_text())
COST = "anthropic-metrics-cost"


@pytest.fixture
def kibana() -> Iterator[SimulatedKibana]:
    with SimulatedKibana(key=KEY).running() as running:
        yield running


def imported(kibana: SimulatedKibana, **options: Any) -> dict[str, Step]:
    settings = KibanaSettings.model_validate({"url": kibana.url, "api_key": KEY, **options})
    return {step.name: step for step in install_dashboards(settings)}


def test_every_object_is_imported_and_a_second_time_nothing_has_changed(kibana: SimulatedKibana) -> None:
    first = imported(kibana)
    assert [step.status for step in first.values()] == ["created"] * len(OBJECTS)
    assert {id_ for _, id_ in kibana.objects} == {each.id for each in OBJECTS}
    assert {step.kind for step in first.values()} == {"data view", "dashboard"}
    assert [step.status for step in imported(kibana).values()] == ["unchanged"] * len(OBJECTS)
    kibana.objects["default", COST]["attributes"]["title"] = "Changed by hand"
    again = imported(kibana)
    assert again.pop("[Anthropic Metrics] Cost and billing").status == "updated"
    assert {step.status for step in again.values()} == {"unchanged"}


def test_the_version_is_asked_before_anything_is_sent(kibana: SimulatedKibana) -> None:
    imported(kibana)
    exported = [("POST", "/api/saved_objects/_export")] * len(OBJECTS)
    assert kibana.requests == [
        ("GET", "/api/status"),
        *exported,
        ("POST", "/api/saved_objects/_import?overwrite=true"),
    ]


@pytest.mark.parametrize("version", ["8.16.6", "7.17.28"])
def test_a_kibana_that_is_too_old_gets_nothing(kibana: SimulatedKibana, version: str) -> None:
    kibana.version = version
    steps = list(imported(kibana).values())
    assert {step.status for step in steps} == {"failed"}
    assert version in steps[0].detail
    assert "8.17" in steps[0].cure
    assert kibana.objects == {}
    assert [method for method, _ in kibana.requests] == ["GET"]


@pytest.mark.parametrize("version", ["8.17.0", "8.19.21", "9.0.0", "9.5.1"])
def test_every_later_version_gets_the_same_objects(kibana: SimulatedKibana, version: str) -> None:
    kibana.version = version
    assert {step.status for step in imported(kibana).values()} == {"created"}


def test_the_space_of_the_configuration_gets_them(kibana: SimulatedKibana) -> None:
    kibana.spaces = ("default", "finops")
    imported(kibana, space="finops")
    assert {space for space, _ in kibana.objects} == {"finops"}


def test_a_space_that_does_not_exist_is_named(kibana: SimulatedKibana) -> None:
    steps = list(imported(kibana, space="nowhere").values())
    assert {step.status for step in steps} == {"failed"}
    assert "kibana.space" in steps[0].cure


def test_a_refused_key_is_one_message_and_never_the_key(kibana: SimulatedKibana) -> None:
    steps = list(imported(kibana, api_key="d3Jvbmc=").values())
    assert {step.status for step in steps} == {"failed"}
    assert "401" in steps[0].detail
    assert "kibana.api_key" in steps[0].cure
    assert [step.cure for step in steps[1:]] == [""] * (len(OBJECTS) - 1)
    assert "d3Jvbmc=" not in repr(steps)


def test_a_kibana_that_is_away_is_a_failure_with_a_cure() -> None:
    (first, *_) = install_dashboards(KibanaSettings.model_validate({"url": "http://127.0.0.1:9"}))
    assert first.status == "failed"
    assert "kibana.url" in first.cure


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "a missing reference": (
        {"type": "missing_references", "references": [{"type": "index-pattern", "id": "gone"}]},
        "index-pattern gone",
    ),
    "a conflict": ({"type": "conflict"}, "may not be replaced"),
    "an ambiguous conflict": ({"type": "ambiguous_conflict", "destinations": []}, "may not be replaced"),
    "an unsupported type": ({"type": "unsupported_type"}, "does not import such objects"),
    "anything else": (
        {"type": "unknown", "statusCode": 500, "message": "the shard is gone"},
        "the shard is gone",
    ),
    "nothing at all": ({}, "no reason given"),
}


@pytest.mark.parametrize(("error", "said"), REFUSALS.values(), ids=REFUSALS)
def test_a_failed_object_says_why_and_the_others_are_in(
    kibana: SimulatedKibana, error: dict[str, Any], said: str
) -> None:
    kibana.refuse[COST] = error
    steps = imported(kibana)
    (failed,) = (step for step in steps.values() if step.status == "failed")
    assert failed.name == "[Anthropic Metrics] Cost and billing"
    assert said in failed.detail
    assert len(kibana.objects) == len(OBJECTS) - 1


def test_objects_of_a_newer_kibana_are_refused_as_a_whole_with_its_words(
    kibana: SimulatedKibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = saved_objects_text().replace('"10.2.0"', '"10.3.0"')
    monkeypatch.setattr(install, "saved_objects_text", lambda: newer)
    steps = list(imported(kibana).values())
    assert {step.status for step in steps} == {"failed"}
    assert "belongs to a more recent version" in steps[0].detail
    assert kibana.objects == {}


def test_an_answer_that_forgets_an_object_is_no_success(
    kibana: SimulatedKibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        kibana, "_imported", lambda upload, space: (200, {"success": True, "successCount": 0})
    )
    assert {step.status for step in imported(kibana).values()} == {"failed"}


def test_an_object_that_got_another_id_says_which(
    kibana: SimulatedKibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = {"type": "dashboard", "id": COST, "destinationId": "another", "meta": {}}
    monkeypatch.setattr(
        kibana, "_imported", lambda upload, space: (200, {"success": True, "successResults": [taken]})
    )
    step = imported(kibana)["[Anthropic Metrics] Cost and billing"]
    assert step.status == "created"
    assert "another" in step.detail


class Streams:
    """As much of Elasticsearch as making a stream needs; `answer` is raised if it is an error."""

    def __init__(self, answer: ApiError | None = None) -> None:
        self.indices, self.made, self._answer = self, list[str](), answer

    def create_data_stream(self, *, name: str) -> None:
        if self._answer is not None:
            raise self._answer
        self.made.append(name)


def refused(status: int, kind: str, reason: str) -> ApiError:
    meta = ApiResponseMeta(status, "1.1", HttpHeaders(), 0.1, NodeConfig("http", "127.0.0.1", 9))
    return ApiError(reason, meta, {"error": {"type": kind, "reason": reason}, "status": status})


EMPTY = [Step("data stream", "metrics-anthropic_metrics.cost-default", "create", "empty")]
ANSWERS = {
    "made": (None, "created"),
    "no right": (refused(403, "security_exception", "action is unauthorized"), "skipped"),
    "no such API": (refused(400, "illegal_argument_exception", "no handler found for uri"), "skipped"),
    "a broken template": (refused(400, "illegal_argument_exception", "no matching index template"), "failed"),
}


@pytest.mark.parametrize(("answer", "status"), ANSWERS.values(), ids=ANSWERS)
def test_a_stream_that_cannot_be_made_yet_is_no_failure(answer: ApiError | None, status: str) -> None:
    streams: Any = Streams(answer)
    (step,) = create_streams(streams, EMPTY)
    assert step.status == status
    assert streams.made == ([EMPTY[0].name] if status == "created" else [])


def test_the_panels_read_only_streams_that_setup_makes() -> None:
    patterns = {
        name for each in load_bundle().dashboards for p in each.queried() for name in p.pattern.split(",")
    }
    # Patterns of traces may match nothing: beside a stream that exists that is no error.
    assert patterns - set(SOURCES.split(", ")) <= {stream.name("*") for stream in STREAMS if stream.panels}


def test_a_plan_tells_what_is_there_from_what_is_not_and_writes_nothing(kibana: SimulatedKibana) -> None:
    settings = KibanaSettings.model_validate({"url": kibana.url, "api_key": KEY})
    steps = plan_dashboards(settings)
    assert [(step.name, step.action, step.detail) for step in steps] == [
        (each.title, "create", "") for each in OBJECTS
    ]
    assert kibana.objects == {}
    imported(kibana)
    steps = plan_dashboards(settings)
    assert {(step.action, step.status, step.detail) for step in steps} == {
        ("update", None, "replaces the existing object")
    }
