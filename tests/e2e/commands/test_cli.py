"""What a user sees of each command: its output, its one message when something is wrong, its exit code."""

from __future__ import annotations

import json
import re
import signal
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import url2pathname

import pytest
import trustme
from elasticsearch import Elasticsearch

from anthropic_metrics.healthcheck import trouble
from anthropic_metrics.simulator import ADMIN_KEY, RealClock, Simulation, SimulatorServer, effects
from tests.harness.command_line import COMMAND, environment, run

WRONG_KEY = "sk-ant-admin01-not-this-one"
ORDINARY_KEY = "sk-ant-api03-an-ordinary-key"


@pytest.fixture
def server() -> Iterator[SimulatorServer]:
    with SimulatorServer(Simulation(RealClock(), days=2)) as running:
        yield running


@pytest.fixture
def settings(server: SimulatorServer, elasticsearch_url: str, namespace: str) -> dict[str, str]:
    """All that a first run needs, as environment variables."""
    return {
        "ANTHROPIC_ADMIN_API_KEY": ADMIN_KEY,
        "ELASTICSEARCH_URL": elasticsearch_url,
        "ANTHROPIC_METRICS_ANTHROPIC__BASE_URL": server.url,
        "ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE": "6000",
        "ANTHROPIC_METRICS_NAMESPACE": namespace,
        "ANTHROPIC_METRICS_BACKFILL": "1d",
        "ANTHROPIC_METRICS_USAGE__MINUTE_BACKFILL": "10m",
        "ANTHROPIC_METRICS_HEALTH__PORT": str(free_port()),
    }


def free_port() -> int:
    with socket.socket() as probing:
        probing.bind(("127.0.0.1", 0))
        port: int = probing.getsockname()[1]
        return port


def test_once_and_a_command_that_reads_share_the_embedded_server(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    (tmp_path / "embedded.url").write_text(settings.pop("ELASTICSEARCH_URL"), encoding="utf-8")
    settings["ANTHROPIC_METRICS_CACHE"] = str(tmp_path)
    done = run(tmp_path, "once", "--embedded", "--only", "inventory", **settings)
    assert (done.returncode, "stays on this machine" in done.stdout) == (0, True), done.stderr
    listed = run(tmp_path, "keys", "--embedded", **settings)
    assert (listed.returncode, "nightly-batch" in listed.stdout) == (0, True), listed.stderr


@pytest.mark.parametrize(
    "command", [["costs"], ["check"], ["report", "--month", "last-month", "-o", "r.csv"]]
)
def test_an_ordinary_key_gets_one_message_and_its_cure_and_no_log(
    command: list[str], tmp_path: Path, server: SimulatorServer
) -> None:
    address = {"ANTHROPIC_METRICS_ANTHROPIC__BASE_URL": server.url}
    done = run(tmp_path, *command, ANTHROPIC_ADMIN_API_KEY=ORDINARY_KEY, **address)
    said = done.stderr.splitlines() if command != ["check"] else done.stdout.splitlines()
    assert done.returncode == 1
    assert sum("Use an Admin key (sk-ant-admin...)" in line for line in said) == 1
    assert "#this-is-an-ordinary-api-key" in done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == (0 if command == ["check"] else 2)


def test_the_environment_alone_is_enough_and_the_outcome_is_a_table(
    tmp_path: Path, settings: dict[str, str], es: Elasticsearch
) -> None:
    # At this level, as deploy/cron has it, a pass that works writes nothing that cron would mail.
    done = run(tmp_path, "once", **settings, ANTHROPIC_METRICS_LOG__LEVEL="error")
    assert (done.returncode, done.stderr) == (0, "")
    stream = f"metrics-anthropic_metrics.usage-{settings['ANTHROPIC_METRICS_NAMESPACE']}"
    assert stream in done.stdout
    assert es.count(index=stream)["count"] > 100


def test_only_the_named_pollers_run(
    tmp_path: Path, settings: dict[str, str], server: SimulatorServer
) -> None:
    assert run(tmp_path, "once", "--only", "cost", **settings).returncode == 0
    asked = {request.path.rpartition("/")[2] for request in server.requests}
    assert "cost_report" in asked
    assert asked.isdisjoint({"messages", "rate_limits"})


def test_backfill_reads_an_older_range_newest_first(
    tmp_path: Path, settings: dict[str, str], server: SimulatorServer
) -> None:
    first = server.simulation.first_day.date().isoformat()
    assert run(tmp_path, "backfill", "--since", first, "--only", "usage", **settings).returncode == 0
    starts = [
        str(request.get("starting_at"))
        for request in server.requests
        if request.path.endswith("/messages") and request.get("bucket_width") == "1h"
    ]
    assert len(starts) > 1
    assert starts == sorted(starts, reverse=True)
    assert starts[-1] == f"{first}T00:00:00Z"


def test_preview_prints_one_document_a_line_and_writes_nothing(
    tmp_path: Path, settings: dict[str, str], es: Elasticsearch
) -> None:
    done = run(tmp_path, "preview", "--only", "rate_limits", **settings)
    assert done.returncode == 0
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    assert {document["event"]["dataset"] for document in documents} == {"anthropic_metrics.rate_limit"}
    found = es.indices.resolve_index(name=f"*-{settings['ANTHROPIC_METRICS_NAMESPACE']}")
    assert found["data_streams"] == []


def test_check_is_in_order_once_the_namespace_was_written_and_not_before(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    assert run(tmp_path, "setup", **settings).returncode == 0
    empty = run(tmp_path, "check", **settings)
    assert empty.returncode == 1
    assert "nothing was ever written" in empty.stdout
    assert "anthropic-metrics once" in empty.stdout
    assert run(tmp_path, "once", "--only", "cost", **settings).returncode == 0
    done = run(tmp_path, "check", **settings)
    assert done.returncode == 0, done.stdout
    for words in ("belongs to", "directly", "they apply to all streams", "newest bucket begins", "ago"):
        assert words in done.stdout
    assert "failed" not in done.stdout


def test_the_demo_fills_a_cluster_of_its_own_and_sums_it_up(tmp_path: Path) -> None:
    done = run(tmp_path, "demo", "--once", "--days", "2")
    assert done.returncode == 0, done.stderr
    for title in (
        "Spend by workspace",
        "Spend by model",
        "Tokens by model",
        "Rate limits",
        "What the agent did",
    ):
        assert title in done.stdout
    assert "claude-" in done.stdout
    link = re.search(r"Dashboards: file://(\S+)", done.stderr)
    assert link
    page = Path(url2pathname(link[1]))
    sections = re.findall(r'<section id="([^"]+)">(.*?)</section>', page.read_text("utf-8"), re.DOTALL)
    assert {"overview", "spend", "requests", "people"} <= {name for name, _ in sections}
    assert [name for name, text in sections if "No data in this range" in text] == []


WRONG = {
    "a wrong key": (
        {"ANTHROPIC_ADMIN_API_KEY": WRONG_KEY},
        ["401", "anthropic.admin_key"],
    ),
    "an ordinary key": (
        {"ANTHROPIC_ADMIN_API_KEY": ORDINARY_KEY},
        ["403", "sk-ant-api", "Admin API key"],
    ),
    "an unreachable API": (
        {"ANTHROPIC_METRICS_ANTHROPIC__BASE_URL": "http://127.0.0.1:9"},
        ["127.0.0.1:9", "anthropic.base_url"],
    ),
    "an unreachable cluster": (
        {"ELASTICSEARCH_URL": "http://127.0.0.1:9"},
        ["elasticsearch.hosts"],
    ),
}


@pytest.mark.parametrize(
    ("changed", "said"), [pytest.param(changed, said, id=name) for name, (changed, said) in WRONG.items()]
)
def test_what_is_wrong_is_said_with_its_cure_and_exit_code_1(
    tmp_path: Path, settings: dict[str, str], changed: dict[str, str], said: list[str]
) -> None:
    done = run(tmp_path, "check", **settings | changed)
    assert done.returncode == 1
    for words in said:
        assert words in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_refused_certificate_names_the_setting_that_trusts_it(
    tmp_path: Path, settings: dict[str, str]
) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with SimulatorServer(Simulation(RealClock(), days=2), tls=context) as server:
        url = {"ANTHROPIC_METRICS_ANTHROPIC__BASE_URL": server.url}
        done = run(tmp_path, "check", **settings | url)
        assert done.returncode == 1
        assert "anthropic.ca_file" in done.stdout
        authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
        trusted = url | {"ANTHROPIC_METRICS_ANTHROPIC__CA_FILE": str(tmp_path / "ca.pem")}
        assert "belongs to" in run(tmp_path, "check", **settings | trusted).stdout


MISTAKES = {
    "an unknown key": ("usage: {intervall: 5m}", ["config.yaml", "usage.intervall", "usage.interval"]),
    "a sixth dimension": (
        "usage: {group_by: [model, workspace_id, api_key_id, speed, service_tier, inference_geo]}",
        ["config.yaml", "usage.group_by", "at most 5"],
    ),
    "no key": ("", ["ANTHROPIC_ADMIN_API_KEY", "anthropic.admin_key_file"]),
}


@pytest.mark.parametrize(
    ("text", "said"), [pytest.param(text, said, id=name) for name, (text, said) in MISTAKES.items()]
)
def test_a_mistaken_configuration_is_one_message_and_exit_code_2(
    tmp_path: Path, text: str, said: list[str]
) -> None:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    done = run(tmp_path, "once", ELASTICSEARCH_URL="http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (2, "")
    for words in said:
        assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["backfill"],
        ["once", "--only", "everything"],
        ["backfill", "--since", "yesteday"],
        ["alerts", "evaluate", "--at", "0001-01-01"],
        ["corrections", "--since", "999999d"],
        ["simulate", "--port", "80000"],
        ["fly"],
    ],
)
def test_wrong_usage_ends_with_exit_code_2(tmp_path: Path, arguments: list[str]) -> None:
    done = run(tmp_path, *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_read_only_stream_is_named_with_its_cure_and_loses_nothing(
    tmp_path: Path, settings: dict[str, str], server: SimulatorServer, es: Elasticsearch
) -> None:
    workspace = server.simulation.organization().named("Production").id
    stream = f"metrics-anthropic_metrics.cost-{settings['ANTHROPIC_METRICS_NAMESPACE']}"
    assert run(tmp_path, "once", "--only", "cost", **settings).returncode == 0
    server.simulation.edits.rename_workspace(workspace, "Renamed")
    es.indices.put_settings(index=stream, settings={"index.blocks.write": True})
    done = run(tmp_path, "once", "--only", "cost", **settings)
    assert done.returncode == 1
    assert "index.blocks.write" in done.stderr
    es.indices.put_settings(index=stream, settings={"index.blocks.write": None})
    assert run(tmp_path, "once", "--only", "cost", **settings).returncode == 0
    assert es.count(index=stream, q="anthropic.workspace.name:Renamed")["count"] > 0


def test_no_output_at_debug_level_holds_a_key(
    tmp_path: Path, settings: dict[str, str], server: SimulatorServer
) -> None:
    server.faults.add(effects.status(500), "*/cost_report")
    server.faults.add(effects.bad_row("output_tokens", "many"), "*/messages")
    debug = settings | {"ANTHROPIC_METRICS_LOG__LEVEL": "debug"}
    runs = [
        run(tmp_path, "once", "--only", "usage", **debug),
        run(tmp_path, "once", "--only", "cost", **debug | {"ANTHROPIC_ADMIN_API_KEY": WRONG_KEY}),
        run(tmp_path, "check", **debug | {"ANTHROPIC_ADMIN_API_KEY": ORDINARY_KEY}),
    ]
    printed = "".join(done.stdout + done.stderr for done in runs)
    assert "admin_api_request" in printed
    for key in (ADMIN_KEY, WRONG_KEY, ORDINARY_KEY):
        assert key not in printed


def test_sigterm_in_the_middle_of_a_window_ends_the_daemon_cleanly(
    tmp_path: Path, settings: dict[str, str], server: SimulatorServer
) -> None:
    entered, release = threading.Event(), threading.Event()
    server.faults.add(effects.slow(release, entered), "*/messages", times=None)
    with subprocess.Popen(
        [*COMMAND, "run"], cwd=tmp_path, env=environment(**settings), stderr=subprocess.PIPE, text=True
    ) as daemon:
        assert entered.wait(60)
        assert trouble("127.0.0.1", int(settings["ANTHROPIC_METRICS_HEALTH__PORT"])) == ""
        assert run(tmp_path, "healthcheck", **settings).returncode == 0
        daemon.send_signal(signal.SIGTERM)
        _, logged = daemon.communicate(timeout=10)
    assert daemon.returncode == 0
    assert "agent_stopped" in logged
    assert "Traceback" not in logged
    done = run(tmp_path, "healthcheck", **settings)
    assert (done.returncode, "nobody listens at http://127.0.0.1:" in done.stderr) == (1, True)
