"""A secret that two origins give differently is named once, with the origin that is used, and never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from anthropic_metrics.config.load import load_with_origins
from anthropic_metrics.redaction import redact

ONE, TWO = "sk-ant-admin01-the-first-one", "sk-ant-admin01-the-second-one"


def said(text: str, environ: dict[str, str], tmp_path: Path) -> list[str]:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    rivals = list(load_with_origins(path, environ).rivals)
    assert ONE not in str(rivals)
    assert TWO not in str(rivals)
    return [sentence.replace(f"{tmp_path}/", "") for sentence in rivals]


IGNORED = ", which has another value, is ignored."


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        pytest.param(
            f"anthropic: {{admin_key: {ONE}}}",
            {"ANTHROPIC_ADMIN_API_KEY": TWO},
            f"anthropic.admin_key in config.yaml is used; ANTHROPIC_ADMIN_API_KEY{IGNORED}",
            id="the file over the plain variable",
        ),
        pytest.param(
            f"anthropic: {{admin_key: {ONE}}}",
            {"ANTHROPIC_METRICS_ANTHROPIC__ADMIN_KEY": TWO},
            f"ANTHROPIC_METRICS_ANTHROPIC__ADMIN_KEY is used; anthropic.admin_key in config.yaml{IGNORED}",
            id="the key's own variable over the file",
        ),
        pytest.param(
            "anthropic: {admin_key: '${ANTHROPIC_ADMIN_API_KEY:-}'}",
            {"ANTHROPIC_METRICS_ANTHROPIC__ADMIN_KEY": TWO, "ANTHROPIC_ADMIN_API_KEY": ONE},
            f"ANTHROPIC_METRICS_ANTHROPIC__ADMIN_KEY is used; ANTHROPIC_ADMIN_API_KEY{IGNORED}",
            id="a file that only refers to the plain variable",
        ),
        pytest.param(
            "anthropic: {admin_key_file: KEY_FILE}",
            {"ANTHROPIC_ADMIN_API_KEY": ONE},
            f"anthropic.admin_key_file in config.yaml is used; ANTHROPIC_ADMIN_API_KEY{IGNORED}",
            id="a file that holds another key",
        ),
        pytest.param(
            f"elasticsearch: {{hosts: 'http://a:9200', api_key: {ONE}}}",
            {"ELASTICSEARCH_API_KEY": TWO},
            f"elasticsearch.api_key in config.yaml is used; ELASTICSEARCH_API_KEY{IGNORED}",
            id="the cluster's key",
        ),
        pytest.param(
            f"elasticsearch: {{hosts: 'http://a:9200', api_key: {ONE}}}",
            {"ELASTICSEARCH_USERNAME": "elastic", "ELASTICSEARCH_PASSWORD": TWO},
            f"elasticsearch.api_key in config.yaml is used; ELASTICSEARCH_PASSWORD{IGNORED}",
            id="a password beside an API key",
        ),
        pytest.param(
            f"kibana: {{api_key: {ONE}}}",
            {"KIBANA_API_KEY": TWO},
            f"kibana.api_key in config.yaml is used; KIBANA_API_KEY{IGNORED}",
            id="Kibana's key",
        ),
        pytest.param(
            f"people: {{salt: {ONE * 2}}}",
            {"ANTHROPIC_METRICS_PEOPLE__SALT": TWO * 2},
            f"ANTHROPIC_METRICS_PEOPLE__SALT is used; people.salt in config.yaml{IGNORED}",
            id="the salt",
        ),
        pytest.param(
            f"health: {{token: {ONE}}}",
            {"ANTHROPIC_METRICS_HEALTH__TOKEN": TWO},
            f"ANTHROPIC_METRICS_HEALTH__TOKEN is used; health.token in config.yaml{IGNORED}",
            id="the token of the health port",
        ),
        pytest.param(
            "alerts: {webhooks: ['https://a/secret-1']}",
            {"ANTHROPIC_METRICS_ALERTS__WEBHOOKS": "https://a/secret-2"},
            f"ANTHROPIC_METRICS_ALERTS__WEBHOOKS is used; alerts.webhooks in config.yaml{IGNORED}",
            id="webhooks",
        ),
        pytest.param(
            "elasticsearch: {hosts: 'http://a:9200'}",
            {"ELASTICSEARCH_URL": "http://b:9200"},
            f"elasticsearch.hosts in config.yaml is used; ELASTICSEARCH_URL{IGNORED}",
            id="the address that a key goes to",
        ),
        pytest.param(
            f"organizations: [{{name: a, admin_key: {ONE}}}]",
            {"ANTHROPIC_ADMIN_API_KEY": TWO},
            "ANTHROPIC_ADMIN_API_KEY is ignored: "
            "organizations in config.yaml gives each organization its own key.",
            id="organizations with keys of their own",
        ),
    ],
)
def test_a_secret_that_two_origins_give_differently_is_named_with_the_one_that_is_used(
    text: str, environ: dict[str, str], expected: str, tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(f"{TWO}\n", encoding="utf-8")
    assert said(text.replace("KEY_FILE", str(key_file)), environ, tmp_path) == [expected]


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        (f"anthropic: {{admin_key: {ONE}}}", {"ANTHROPIC_ADMIN_API_KEY": ONE}),
        ("anthropic: {admin_key: '${ANTHROPIC_ADMIN_API_KEY:-}'}", {"ANTHROPIC_ADMIN_API_KEY": ONE}),
        ("anthropic: {admin_key: ''}", {"ANTHROPIC_ADMIN_API_KEY": ONE}),
        ("anthropic: {admin_key_file: KEY_FILE}", {"ANTHROPIC_ADMIN_API_KEY": TWO}),
        ("elasticsearch: {hosts: ['http://a:9200/']}", {"ELASTICSEARCH_URL": "http://a:9200"}),
        (
            "elasticsearch: {hosts: 'http://a:9200'}",
            {"ANTHROPIC_METRICS_ELASTICSEARCH__HOSTS": "http://b:9200"},
        ),
        (f"organizations: [{{name: a, admin_key: {ONE}}}]", {"ANTHROPIC_ADMIN_API_KEY": ONE}),
        ("organizations: [{name: a, admin_key_file: KEY_FILE}]", {"ANTHROPIC_ADMIN_API_KEY": TWO}),
    ],
)
def test_nothing_is_said_of_one_secret_in_two_places_or_of_an_address_that_its_own_variable_sets(
    text: str, environ: dict[str, str], tmp_path: Path
) -> None:
    key_file = tmp_path / "key"
    key_file.write_text(f"{TWO}\n", encoding="utf-8")
    assert said(text.replace("KEY_FILE", str(key_file)), environ, tmp_path) == []


def test_a_secret_that_is_ignored_is_hidden_too(tmp_path: Path) -> None:
    said(f"anthropic: {{admin_key: {ONE}}}", {"ANTHROPIC_ADMIN_API_KEY": "ignored-but-secret-key"}, tmp_path)
    assert "ignored-but-secret-key" not in redact.scrub("a server says ignored-but-secret-key")
