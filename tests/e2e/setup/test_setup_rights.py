"""Setup and its check at start on a server with security: who may do what, and what the others are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from anthropic_metrics.config import Config
from anthropic_metrics.elastic import setup
from anthropic_metrics.elastic.connect import connect, server_version
from anthropic_metrics.elastic.setup import apply, ensure, plan_setup
from anthropic_metrics.elastic.steps import call
from anthropic_metrics.embedded import EmbeddedElasticsearch, Users
from anthropic_metrics.errors import AuthError, MetricsError, SinkError
from anthropic_metrics.kernel.datasets import stream_name, template_name
from anthropic_metrics.simulator import ADMIN_KEY, RealClock, Simulation, SimulatorServer
from tests.harness.command_line import run
from tests.harness.setup_samples import USAGE, by_status, config, write


def runs(*cluster: str) -> dict[str, Any]:
    """The role of an agent that runs."""
    privileges = ["auto_configure", "read", "write", "maintenance", "view_index_metadata"]
    names = ["metrics-anthropic_metrics.*"]
    return {"cluster": list(cluster), "indices": [{"names": names, "privileges": privileges}]}


INSTALLER = {
    "cluster": ["monitor", "manage_index_templates", "manage_ingest_pipelines"],
    "indices": [{"names": ["metrics-anthropic_metrics.*"], "privileges": ["manage"]}],
}
PASSWORDS = {name: f"{name}-pass" for name in ("installer", "runner", "blind", "nobody")}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of its own with security: who sets up, who runs, who runs with less, who may do nothing."""
    users = Users(
        PASSWORDS,
        {"installer": ["installer"], "runner": ["runner"], "blind": ["blind"], "nobody": []},
        {"installer": INSTALLER, "runner": runs("monitor"), "blind": runs()},  # blind to templates
    )
    with EmbeddedElasticsearch(data=tmp_path_factory.mktemp("secured"), users=users) as server:
        yield server.url


def as_user(url: str, name: str, password: str | None = None) -> Config:
    return config(url, elasticsearch={"username": name, "password": password or PASSWORDS[name]})


def test_a_wrong_password_is_one_sentence_with_its_cure(secured: str) -> None:
    settings = as_user(secured, "runner", "wrong-pass")
    with connect(settings.elasticsearch) as es, pytest.raises(AuthError) as caught:
        ensure(es, settings)
    assert "refused the credentials" in str(caught.value)
    assert "elasticsearch.api_key" in str(caught.value)
    assert "wrong-pass" not in repr(caught.value) + str(caught.value)


def test_without_rights_setup_names_the_key_that_sets_up(secured: str) -> None:
    settings = as_user(secured, "runner")
    with connect(settings.elasticsearch) as es, pytest.raises(AuthError, match="#the-key-that-sets-up"):
        plan_setup(es, settings)


def test_one_who_may_not_even_read_is_told_so(secured: str) -> None:
    settings = as_user(secured, "nobody")
    with connect(settings.elasticsearch) as es, pytest.raises(MetricsError, match=r"read|privilege"):
        ensure(es, settings)


@pytest.fixture
def absent(secured: str) -> Iterator[str]:
    """The name of an index template that is not there, on a server that has all others."""
    settings = as_user(secured, "installer")
    name = template_name("anthropic_metrics.rate_limit")
    with connect(settings.elasticsearch) as es:
        apply(es, plan_setup(es, settings))
        call(es, "DELETE", f"/_index_template/{name}")
        yield name
        apply(es, plan_setup(es, settings))


def test_a_plan_writes_nothing(secured: str, absent: str) -> None:
    settings = as_user(secured, "installer")
    with connect(settings.elasticsearch) as es:
        (step,) = (step for step in plan_setup(es, settings) if step.action == "create")
        assert (step.kind, step.name, step.status) == ("index template", absent, None)
        assert not es.indices.exists_index_template(name=absent)


def test_ensure_installs_what_is_absent_and_then_only_looks(
    secured: str, absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = as_user(secured, "installer")
    with connect(settings.elasticsearch) as es:
        assert by_status(ensure(es, settings))["created"] == 1
        monkeypatch.setattr(setup, "plan_setup", lambda *_: pytest.fail("planned although all is there"))
        assert ensure(es, settings) == []


def test_an_agent_that_sees_that_a_template_is_absent_and_may_not_install_it_names_setup(
    secured: str, absent: str
) -> None:
    settings = as_user(secured, "runner")
    with connect(settings.elasticsearch) as es, pytest.raises(SinkError, match="anthropic-metrics setup"):
        ensure(es, settings)


@pytest.mark.parametrize("name", ["runner", "blind"])
def test_an_agent_that_may_only_write_goes_on_once_setup_was_run_by_another(secured: str, name: str) -> None:
    installer, agent = as_user(secured, "installer"), as_user(secured, name)
    with connect(installer.elasticsearch) as es:
        assert "failed" not in by_status(apply(es, plan_setup(es, installer)))
    with connect(agent.elasticsearch) as es:
        assert ensure(es, agent) == []
        write(es, stream_name(USAGE, "default"), event={"hash": "x"})
        assert ensure(es, agent) == []


def test_a_stream_that_cannot_be_compared_stops_an_agent_that_may_not_look_at_templates(secured: str) -> None:
    blind = as_user(secured, "blind").model_copy(update={"namespace": "odd"})
    mappings = {"properties": {"event": {"properties": {"hash": {"type": "text"}}}}}
    other = {"index_patterns": ["metrics-*-odd"], "priority": 900, "data_stream": {}}
    with connect(as_user(secured, "installer").elasticsearch) as es:
        call(es, "PUT", "/_index_template/odd", other | {"template": {"mappings": mappings}})
        try:
            with connect(blind.elasticsearch) as limited:
                write(limited, stream_name(USAGE, "odd"), event={"hash": "x"})
                with pytest.raises(SinkError, match="created from another index template"):
                    ensure(limited, blind)
        finally:
            call(es, "PUT", "/_index_template/odd", other | {"index_patterns": ["elsewhere-*"]})


def test_a_rotated_password_is_read_again_without_a_restart(secured: str, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("outdated-pass")
    settings = config(secured, elasticsearch={"username": "runner", "password_file": str(file)})
    with connect(settings.elasticsearch) as es:
        file.write_text(PASSWORDS["runner"])
        assert server_version(es).number >= (8, 19)


def test_the_commands_say_which_rights_are_absent_and_end_with_1(secured: str, tmp_path: Path) -> None:
    variables = {
        "ELASTICSEARCH_URL": secured,
        "ELASTICSEARCH_USERNAME": "nobody",
        "ELASTICSEARCH_PASSWORD": PASSWORDS["nobody"],
        "ANTHROPIC_ADMIN_API_KEY": ADMIN_KEY,
        "ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE": "6000",
    }
    with SimulatorServer(Simulation(RealClock(), days=1)) as server:
        variables["ANTHROPIC_METRICS_ANTHROPIC__BASE_URL"] = server.url
        setup, check = (run(tmp_path, command, **variables) for command in ("setup", "check"))
    assert (setup.returncode, check.returncode) == (1, 1)
    assert "`anthropic-metrics setup` with the key that sets up: https://" in setup.stderr
    assert "security.md#the-key-that-sets-up" in setup.stderr
    assert "troubleshooting.md#these-credentials-lack-the-rights-that-setup-needs" in setup.stderr
    assert "manage" not in setup.stderr  # nothing advises a right that `setup` does not need
    assert "missing: auto_configure, maintenance, read, view_index_metadata, write" in check.stdout
    assert PASSWORDS["nobody"] not in setup.stdout + setup.stderr + check.stdout + check.stderr
