"""What `check` says of names, currencies, ways, streams and Kibana, each failure with its cure."""

from __future__ import annotations

import ast
import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

import anthropic_metrics.checks.kibana as kibana_checks
from anthropic_metrics import checks
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.replies import ApiKey, Workspace
from anthropic_metrics.admin_api.reply import Reply
from anthropic_metrics.checks.admin import AdminFacts, analytics_reports, inventory_list, names
from anthropic_metrics.checks.cluster import foreign_templates
from anthropic_metrics.checks.finding import Finding, Status
from anthropic_metrics.checks.network import admin_way, other_ways
from anthropic_metrics.checks.streams import judged
from anthropic_metrics.config import AnthropicSettings, Config
from anthropic_metrics.elastic.contents import Contents, Share
from anthropic_metrics.elastic.owners import Applying
from anthropic_metrics.elastic.polls import LastPoll
from anthropic_metrics.errors import AuthError, BadRequest, MetricsError, RetryLater
from anthropic_metrics.kernel.datasets import stream_name
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kibana.client import KibanaClient
from anthropic_metrics.simulator import ADMIN_KEY

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
STREAM = "metrics-anthropic_metrics.usage-default"
SPACES = [
    Workspace(id="wrkspc_1", name="Production", tags={"team": "research"}),
    Workspace(id="wrkspc_2", name="Staging"),
]
FACTS = AdminFacts(workspaces=SPACES, api_keys=[ApiKey(id="apikey_1", name="nightly", status="active")])


def config(**sections: Any) -> Config:
    return Config.model_validate(sections)


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"budgets": {"workspaces": {"Prodction": 5}}}, "Prodction is unknown; did you mean Production?"),
        ({"budgets": {"tags": {"team=reserch": 5}}}, "team=reserch is unknown; did you mean team=research?"),
        ({"budgets": [{"name": "n", "usd": 5, "api_key": "nigthly"}]}, "did you mean nightly?"),
        ({"budgets": [{"name": "n", "usd": 5, "team": "platform"}]}, "n: team: platform is unknown"),
        ({"usage": {"workspace_ids": ["wrkspc_3"]}}, "usage.workspace_ids: wrkspc_3 is unknown"),
        (
            {"teams": [{"team": "research", "workspaces": ["Prodction", "Staging"]}]},
            "teams: research: workspace: Prodction is unknown; did you mean Production?",
        ),
        (
            {"teams": [{"team": "night", "api_keys": ["nigthly"]}]},
            "teams: night: api_key: nigthly is unknown",
        ),
        ({"teams": [{"team": "r", "tags": ["team=reserch"]}]}, "r: tag: team=reserch is unknown"),
    ],
)
def test_an_unknown_name_in_the_configuration_fails_with_what_was_meant(
    sections: dict[str, Any], said: str
) -> None:
    (finding,) = names(config(**sections), FACTS)
    assert finding.status is Status.failed
    assert said in finding.details
    assert finding.cure


@pytest.mark.parametrize(
    ("source", "answer", "status", "said"),
    [
        ("auto", 403, Status.ok, "allocated from the daily bill"),
        ("auto", 404, Status.ok, "allocated from the daily bill"),
        ("analytics", 400, Status.failed, "not enrolled"),
        ("auto", 401, Status.failed, "401"),
        ("auto", 200, Status.ok, "loaded until 2026-11-20 08:00Z"),
    ],
)
def test_the_analytics_reports_are_here_or_not_and_needed_or_not(
    source: str, answer: int, status: Status, said: str
) -> None:
    page = {"data": [], "has_more": False, "next_page": None, "data_refreshed_at": "2026-11-20T08:00:00Z"}
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": "not enrolled"}}
    body = page if answer == 200 else refusal
    transport = httpx.MockTransport(lambda _: httpx.Response(answer, json=body))
    settings = AnthropicSettings.model_validate({"admin_key": "sk-ant-admin01-checks"})
    with AdminClient(settings, transport=transport, sleep=lambda _: None) as client:
        finding = analytics_reports(client, config(spend={"source": source}), NOW)
    assert finding.status is status
    assert said in finding.details
    assert bool(finding.cure) is (status is Status.failed)


def test_known_names_are_counted_and_none_say_nothing() -> None:
    known = {"workspaces": {"Production": 5, "wrkspc_2": 5}, "tags": {"team=research": 5}}
    (finding,) = names(config(budgets=known), FACTS)
    assert (finding.status, finding.details) == (Status.ok, "3 known")
    assert list(names(config(), FACTS)) == []


def test_a_team_may_name_what_another_organization_has() -> None:
    organizations = [
        {"name": "acme", "admin_key": "sk-ant-admin01-a"},
        {"name": "eu", "admin_key": "sk-ant-admin01-b"},
    ]
    settings = config(organizations=organizations, teams=[{"team": "night", "workspaces": ["Nights"]}])
    assert [list(names(own, FACTS)) for own in settings.per_organization()] == [[], []]


def test_the_ways_show_the_proxy_without_its_password_and_what_tls_is_verified_against(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://user:pass@proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "kibana.example")
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    settings = config(
        elasticsearch={"hosts": ["http://es.example:9200"], "proxy": "none"},
        kibana={"url": "https://kibana.example", "verify_certs": False},
    )
    admin, (cluster, kibana) = admin_way(settings), other_ways(settings)
    # Nothing was asked, so no line may read as if a server had answered.
    assert {way.what.split()[0] for way in (admin, cluster, kibana)} == {"Address"}
    assert "through the proxy http://proxy.example:3128, TLS verified against the default" in admin.details
    assert (cluster.status, cluster.details) == (Status.ok, "http://es.example:9200 directly, without TLS")
    assert kibana.status is Status.warning
    assert "kibana.example directly, TLS not verified" in kibana.details


GOOD = LastPoll(NOW - timedelta(minutes=3), read_at=NOW - timedelta(minutes=3), read_to=NOW)
HELD = Contents(5, NOW - timedelta(minutes=24))


@pytest.mark.parametrize(
    ("held", "poll", "said"),
    [
        (Contents(5, NOW, (Share("web 9.4.0", 3),)), GOOD, "3 documents of others: web 9.4.0 (3)"),
        (HELD, LastPoll(NOW, bad_rows=7, read_at=NOW, read_to=NOW), "7 rows of the API refused"),
        (HELD, LastPoll(NOW, failure="no key", read_at=NOW, read_to=NOW), "the last poll failed: no key"),
        (HELD, LastPoll(NOW - timedelta(days=3), read_at=NOW - timedelta(days=3)), "last poll was 3d ago"),
    ],
)
def test_a_streams_trouble_is_named_with_its_cure(held: Contents, poll: LastPoll, said: str) -> None:
    finding = judged(STREAM, held, poll, NOW)
    assert finding.status is Status.failed
    assert said in finding.details
    assert finding.cure


def test_a_failed_poll_is_looked_up_in_the_log_at_its_time() -> None:
    failed = LastPoll(NOW - timedelta(minutes=90), failure="no key", read_at=NOW, read_to=NOW)
    assert judged(STREAM, HELD, failed, NOW).cure == "Read the agent's log around 2026-11-20 10:30Z."


def test_a_stream_in_order_says_when_its_newest_bucket_begins() -> None:
    finding = judged(STREAM, HELD, GOOD, NOW)
    assert finding.status is Status.ok
    assert finding.details == "5 documents; newest bucket begins 2026-11-20 11:36Z, 24m ago"
    polls = judged("metrics-anthropic_metrics.agent-default", HELD, GOOD, NOW)
    assert polls.details == "5 documents; newest 2026-11-20 11:36Z, 24m ago"


def kibana(monkeypatch: pytest.MonkeyPatch, page: httpx.Response, rules: int = 200) -> dict[str, Finding]:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/api/status"):
            return httpx.Response(200, json={"version": {"number": "9.1.0"}})
        return page if request.url.path.endswith("/app/home") else httpx.Response(rules, json={"data": []})

    def client(settings: Any) -> KibanaClient:
        return KibanaClient(settings, transport=httpx.MockTransport(answer))

    monkeypatch.setattr(kibana_checks, "KibanaClient", client)
    settings = config(kibana={"url": "https://kibana.example", "space": "ops"})
    return {finding.what: finding for finding in kibana_checks.kibana_findings(settings)}


def home(**metadata: Any) -> httpx.Response:
    data = html.escape(json.dumps(metadata))
    return httpx.Response(200, text=f'<kbn-injected-metadata data="{data}"></kbn-injected-metadata>')


def test_links_in_alerts_need_kibanas_public_url(monkeypatch: pytest.MonkeyPatch) -> None:
    links = "Links in Kibana's alerts"
    found = kibana(monkeypatch, home(publicBaseUrl="https://kibana.example"))
    assert (found[links].status, found["Kibana space"].status) == (Status.ok, Status.ok)
    missing = kibana(monkeypatch, home(version="9.1.0"))[links]
    assert missing.status is Status.warning
    assert "server.publicBaseUrl" in missing.cure
    assert kibana(monkeypatch, httpx.Response(403))[links].status is Status.skipped


def test_a_space_that_does_not_exist_fails_with_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    space = kibana(monkeypatch, home(), rules=404)["Kibana space"]
    assert (space.status, space.details) == (Status.failed, "there is no space ops")
    assert "kibana.space" in space.cure


def test_a_foreign_template_is_one_finding_that_names_every_stream_it_takes() -> None:
    taken = [Applying(stream_name(each, "default"), "corp", 500, "unknown") for each in ("cost", "usage")]
    (finding,) = foreign_templates(taken)
    assert finding.status is Status.failed
    assert all(each.stream in finding.details for each in taken)
    assert "Exclude metrics-anthropic_metrics.*" in finding.cure


def test_every_failure_of_the_check_has_a_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    def ways(_: Config) -> Iterator[Finding]:
        yield Finding("one", Status.failed, "the server's words")
        yield Finding("two", Status.failed, "details", "Do this.")
        yield Finding("three", Status.warning, "details")

    monkeypatch.setattr(checks, "other_ways", ways)
    found = {each.what: each for each in checks.findings(Config(), NOW)}
    assert all(each.cure for each in found.values() if each.status is Status.failed)
    assert (found["two"].cure, found["three"].cure) == ("Do this.", "")


def test_every_line_of_the_check_stands_in_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs/troubleshooting.md").read_text("utf-8")
    listed = page.split("## What `check` says")[1].split("\n## ")[0]
    for path in Path(checks.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"Finding", "attempt", "_way"}:
                what = node.args[0] if node.args else None
                if isinstance(what, ast.Constant):
                    name = re.sub(r"^Address of .*", "Address of …", str(what.value))
                    assert f"`{name}`" in listed, f"{path.name}: {name}"


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (AuthError("Not for Admin keys.", status=403), Status.skipped),
        (BadRequest("Not here.", status=404), Status.skipped),
        (AuthError("Revoked.", status=401, cure="Make another."), Status.failed),
        (RetryLater("No answer."), Status.failed),
    ],
)
def test_a_list_that_the_key_may_not_read_is_named_and_is_no_failure(
    refusal: MetricsError, status: Status
) -> None:
    def read(client: AdminClient, *, problems: Problems) -> list[Reply]:
        raise refusal

    client = AdminClient(AnthropicSettings(admin_key=SecretStr(ADMIN_KEY)))
    finding = inventory_list(client, "Service accounts", read)
    assert (finding.status, finding.cure) == (status, refusal.cure)
    assert refusal.message in finding.details
