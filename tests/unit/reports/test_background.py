import io
import json
from threading import Event

import pytest

from anthropic_metrics import logs
from anthropic_metrics.reports.background import BackgroundWriter


def test_a_step_runs_while_the_next_is_prepared_and_steps_never_overlap() -> None:
    prepared, order = Event(), []

    def first() -> None:
        assert prepared.wait(30)
        order.append("first")

    with BackgroundWriter() as writer:
        writer.run(first)
        prepared.set()  # would never be reached if `run` waited for its own step
        writer.run(lambda: order.append("second"))
        writer.then(lambda: order.append("finish"))
        writer.settle()
    assert order == ["first", "second", "finish"]


def test_what_a_step_raised_stops_all_that_follow() -> None:
    order: list[str] = []

    def fails() -> None:
        raise ValueError("away")

    with BackgroundWriter() as writer:
        writer.run(fails)
        writer.then(lambda: order.append("finish"))
        with pytest.raises(ValueError, match="away"):
            writer.run(lambda: order.append("second"))
    assert order == []


def test_settling_raises_what_the_last_step_raised() -> None:
    def fails() -> None:
        raise ValueError("away")

    with BackgroundWriter() as writer:
        writer.run(fails)
        with pytest.raises(ValueError, match="away"):
            writer.settle()


def test_leaving_early_waits_for_the_step_under_way() -> None:
    leaving, order = Event(), []

    def slow() -> None:
        assert leaving.wait(30)
        order.append("slow")

    def left() -> None:
        with BackgroundWriter() as writer:
            writer.run(slow)
            leaving.set()
            raise KeyError

    with pytest.raises(KeyError):
        left()
    assert order == ["slow"]


def test_without_a_step_under_way_the_following_one_needs_no_thread() -> None:
    order: list[str] = []
    with BackgroundWriter() as writer:
        writer.then(lambda: order.append("finish"))
        assert order == ["finish"]


def test_a_step_logs_in_the_name_of_the_organization_that_gave_it() -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    log = logs.get_logger("x")
    with BackgroundWriter() as writer:
        with logs.about("acme"):
            writer.run(lambda: log.error("documents_refused"))
            writer.then(lambda: log.info("finish"))
        with logs.about("acme-eu"):
            writer.run(lambda: log.error("documents_refused"))
        writer.settle()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["organization.name"] for line in lines] == ["acme", "acme", "acme-eu"]
