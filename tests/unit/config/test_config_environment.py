"""Environment variables: unknown ones, those of other programs, and those that are read."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from anthropic_metrics.config import load_config
from anthropic_metrics.config.environment import LOOKALIKES
from anthropic_metrics.config.load import load_with_origins
from anthropic_metrics.config.origins import PLAIN_VARIABLES, overlooked, variable_name
from anthropic_metrics.config.problems import dotted
from tests.harness.config_refusals import refusal


def test_an_unknown_key_in_the_environment_is_a_problem() -> None:
    message = refusal("", {"ANTHROPIC_METRICS_USAGE__INTERVALL": "5m"})
    assert message.startswith(
        "ANTHROPIC_METRICS_USAGE__INTERVALL: usage.intervall: is not a known key; did you mean"
    )


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ANTHROPIC_METRICS_NAMESPAC", "ANTHROPIC_METRICS_NAMESPACE"),
        ("ANTHROPIC_METRICS_ELASTICSEARCH_HOSTS", "ANTHROPIC_METRICS_ELASTICSEARCH__HOSTS"),
        ("ANTHROPIC_METRICS_HEALTH_PORT", "ANTHROPIC_METRICS_HEALTH__PORT"),
        ("ANTHROPIC_METRICS_CONFIGG", "ANTHROPIC_METRICS_CONFIG"),
        ("ANTHROPIC_METRICS_USAGES__INTERVAL", "did you mean usage?"),
        ("ANTHROPIC_METRICS_ZZZ", "docs/configuration.md"),
        ("ANTHROPIC_METRICS_BUDGETS__WORKSPACES__PRODUCTION", "ANTHROPIC_METRICS_BUDGETS__WORKSPACES='{"),
    ],
)
def test_an_unknown_variable_of_ours_is_a_problem_with_the_nearest_name(name: str, meant: str) -> None:
    message = refusal("", {name: "9400"})
    assert message.startswith(f"{name}: ")
    assert meant in message


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("ALERTS__SCHEDULES", "{token_spike: 5m}", "schedules", {"token_spike": timedelta(minutes=5)}),
    ],
)
def test_a_mapping_may_come_from_the_environment(
    variable: str, value: str, key: str, expected: dict[str, object]
) -> None:
    config = load_config(None, {f"ANTHROPIC_METRICS_{variable}": value})
    section = config.alerts
    assert getattr(section, key) == expected


def test_a_mapping_that_cannot_be_read_is_named_with_its_variable() -> None:
    message = refusal("", {"ANTHROPIC_METRICS_BUDGETS__WORKSPACES": "{Production"})
    assert message.startswith("ANTHROPIC_METRICS_BUDGETS__WORKSPACES: budgets.workspaces: must be a mapping")


def test_a_socks_proxy_is_refused_by_name() -> None:
    message = refusal("", {"ALL_PROXY": "socks5://localhost:1080"})
    assert message.startswith("ALL_PROXY: names a SOCKS proxy, which is not supported")


def overlooked_under(environ: dict[str, str], tmp_path: Path, text: str = "") -> list[str]:
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return list(overlooked(load_with_origins(path, environ)[1], environ))


@pytest.mark.parametrize("name", LOOKALIKES)
def test_a_variable_of_another_program_is_named_with_the_one_that_is_read(name: str, tmp_path: Path) -> None:
    (said,) = overlooked_under({name: "value-1234"}, tmp_path)
    assert said.startswith(f"{name} is not read: {dotted(LOOKALIKES[name])} is taken from ")
    assert "value-1234" not in said
    read = said.rpartition(" ")[2].rstrip(".")
    assert read in PLAIN_VARIABLES or read == variable_name(LOOKALIKES[name])


def test_a_variable_of_another_program_is_passed_over_where_its_value_is_given(tmp_path: Path) -> None:
    environ = {"ES_HOST": "x", "ELASTIC_PASSWORD": "y", "ANTHROPIC_API_KEY": "z"}
    text = "{elasticsearch: {hosts: 'http://a:9200', api_key: abc}, anthropic: {admin_key: sk-ant-admin-1}}"
    assert overlooked_under(environ, tmp_path, text) == []


def test_elasticsearch_hosts_is_read_where_elasticsearch_url_is_not_given() -> None:
    both = {"ELASTICSEARCH_HOSTS": '["http://a:9200", "http://b:9200"]'}
    assert load_config(None, both).elasticsearch.hosts == ("http://a:9200", "http://b:9200")
    assert load_config(None, {**both, "ELASTICSEARCH_URL": "http://c:9200"}).elasticsearch.hosts == (
        "http://c:9200",
    )
