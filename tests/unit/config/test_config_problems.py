"""What a user is told about a configuration that is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from anthropic_metrics.config import load_config
from tests.harness.config_refusals import KEY, refusal


def test_a_sixth_dimension_is_refused_with_the_reason() -> None:
    six = "model, workspace_id, api_key_id, speed, service_tier, inference_geo"
    assert refusal(f"usage: {{group_by: [{six}]}}") == (
        "config.yaml: usage.group_by: at most 5 dimensions (the Admin API refuses a sixth with 400); "
        f"you named 6: {six}"
    )


def test_workspaces_are_chosen_only_where_rows_say_whose_they_are() -> None:
    message = refusal("usage: {group_by: [model], workspace_ids: [Default]}")
    assert message.startswith("config.yaml: usage.workspace_ids: needs workspace_id in usage.group_by")


CASES = {
    "unknown key": (
        "usage: {granularites: [1m]}",
        "usage.granularites: is not a known key; did you mean usage.granularities?",
    ),
    "unknown section": ("retentions: {usage: 9d}", "retentions: is not a known key; did you mean retention?"),
    "key in no section": ("group_by: [model]", "group_by: is not a known key; did you mean usage.group_by?"),
    "nothing near": ("cost: {zzz: 1}", "cost.zzz: is not a known key; known here: enabled, interval"),
    "unknown empty section": ("zzz:", "zzz: is not a known key; known here: anthropic,"),
    "unknown dimension": (
        "usage: {group_by: [team]}",
        "usage.group_by: entry 1: no such dimension; allowed: account_id, api_key_id,",
    ),
    "dimension twice": ("usage: {group_by: [model, model]}", "usage.group_by: names model more than once"),
    "unknown granularity": (
        "usage: {granularities: [5m]}",
        "usage.granularities: 5m: no such granularity; allowed: 1m, 1h, 1d",
    ),
    "no granularity": ("usage: {granularities: []}", "usage.granularities: needs at least 1 granularity"),
    "list of numbers": ("usage: {group_by: [1]}", "usage.group_by: must be a list of dimensions"),
    "workspace": (
        "usage: {workspace_ids: [default]}",
        "usage.workspace_ids: default: must be a workspace id (wrkspc_...) or Default",
    ),
    "level": ("log: {level: loud}", "log.level: must be 'debug', 'info', 'warning' or 'error'"),
    "duration without unit": (
        "usage: {interval: 5}",
        "usage.interval: must be a whole number with a unit, such as 90s, 5m, 1h or 30d, not 5",
    ),
    "no duration": ("usage: {interval: 0m}", "usage.interval: must be longer than 0s"),
    "backfill": (
        "backfill: 2026-13-01",
        "backfill: must be a duration such as 30d, a day such as 2026-01-01 or last-month, not '2026-13-01'",
    ),
    "backfill too long": ("backfill: 9999d", "backfill: must be at most 3650d"),
    "requests per minute": (
        "anthropic: {requests_per_minute: 0}",
        "anthropic.requests_per_minute: must be 1 or more",
    ),
    "number": ("health: {port: x}", "health.port: must be a whole number"),
    "port": ("health: {port: 65536}", "health.port: must be 65535 or less"),
    "switch": ("cost: {enabled: perhaps}", "cost.enabled: must be true or false"),
    "empty": ("cost: {interval: }", "cost.interval: is empty: give it a value or leave the key out"),
    "section is text": ("cost: hourly", "cost: must be a section with keys under it: enabled, interval"),
    "user is a number": (
        "elasticsearch: {username: 7}",
        "elasticsearch.username: must be text: put it in quotes",
    ),
    "URL": (
        "elasticsearch: {hosts: [es:9200]}",
        "elasticsearch.hosts: must be a URL such as https://host:9200: it begins with https:// or http://",
    ),
    "URL's host": ("kibana: {url: 'https://ho st'}", "kibana.url: must be a URL such as https://host:9200"),
    "host with an empty label": (
        "anthropic: {base_url: 'https://api..example.com'}",
        "anthropic.base_url: must be a URL such as https://host:9200",
    ),
    "host that is too long": (
        f"elasticsearch: {{hosts: ['https://{'a' * 64}.example.com']}}",
        "elasticsearch.hosts: must be a URL such as https://host:9200",
    ),
    "endless factor": ("alerts: {baseline_factor: .inf}", "alerts.baseline_factor: must be a finite number"),
    "endless spike": ("alerts: {spike_factor: .inf}", "alerts.spike_factor: must be a finite number"),
    "endless latency": ("alerts: {latency_factor: .inf}", "alerts.latency_factor: must be a finite number"),
    "price beyond any": (
        "prices: [{model: m, output: 1e30}]",
        "prices.output: must be a number such as 2.5",
    ),
    "team without a name": ("teams: [{team: ' ', people: [u]}]", "teams: holds a team without a name"),
    "URL's port": ("kibana: {url: 'https://k:99999'}", "kibana.url: must have a port between 0 and 65535"),
    "certificate": ("anthropic: {ca_file: no.pem}", "anthropic.ca_file: no such file: no.pem"),
    "namespace": ("namespace: Prod-1", "namespace: must be lower case"),
    "usage retention": (
        "retention: {usage: 6d}",
        "retention.usage: must be at least 7d, or none to keep documents without limit",
    ),
    "cost retention": (
        "retention: {cost: 30d}",
        "retention.cost: must be at least 31d, or none to keep documents without limit",
    ),
    "minute retention": (
        "usage: {minute_backfill: 3d}\nretention: {usage_1m: 2d}",
        "retention.usage_1m: must be at least usage.minute_backfill (3d), or none; you gave 2d",
    ),
    "headroom retention": (
        "usage: {minute_backfill: 3d}\nretention: {headroom: 2d}",
        "retention.headroom: must be at least usage.minute_backfill (3d), or none; you gave 2d",
    ),
    "two keys": (
        f"anthropic: {{admin_key: {KEY}, admin_key_file: f}}",
        "anthropic.admin_key_file: give admin_key or admin_key_file, not both",
    ),
    "user and key": (
        "elasticsearch: {api_key: api-key-of-config-test, username: u}",
        "elasticsearch.api_key: give username or api_key, not both",
    ),
    "unset variable": (
        "namespace: ${STAGE}",
        "namespace: the environment variable STAGE is not set; set it or write ${STAGE:-default}",
    ),
    "broken reference": ("namespace: ${STAGE", "namespace: has a ${ that does not begin ${NAME}"),
    "tag": ("backfill: !!timestamp 2026-13-01", "holds a tag with a value that does not fit it"),
    "tab": (
        "usage:\n\tinterval: 5m",
        "line 2, column 1: is not valid YAML: a tab begins the line (indent",
    ),
    "unclosed": ("usage: {interval: 5m", "line 1, column 21: is not valid YAML: expected"),
    "key twice": (
        "cost: {interval: 1h}\nusage: {}\ncost: {interval: 2h}",
        "line 3, column 1: is not valid YAML: the key cost is given twice",
    ),
    "list": ("- a", "must hold sections such as `anthropic:`, not a list"),
}


@pytest.mark.parametrize(("text", "expected"), CASES.values(), ids=CASES)
def test_a_problem_names_the_file_the_key_and_what_is_allowed(text: str, expected: str) -> None:
    message = refusal(text)
    assert message.startswith(f"config.yaml: {expected}")
    assert "\n" not in message


def test_every_problem_is_in_the_one_message_with_its_origin() -> None:
    message = refusal(
        "usage: {interval: 5, group_by: [team]}\nlog: {level: loud}\nnamespace: ${STAGE}",
        {
            "ANTHROPIC_METRICS_HEALTH__PORT": "x",
            "ANTHROPIC_METRICS_COST_INTERVAL": "5m",
            "ELASTICSEARCH_URL": "es",
        },
    )
    lines = message.splitlines()
    assert lines[0] == "7 problems with the configuration:"
    starts = [
        "ANTHROPIC_METRICS_COST_INTERVAL: cost.interval: is not read; a section and its key take two "
        "underscores: ANTHROPIC_METRICS_COST__INTERVAL",
        "config.yaml: namespace: ",
        "ELASTICSEARCH_URL: elasticsearch.hosts: ",
        "config.yaml: usage.interval: ",
        "config.yaml: usage.group_by: ",
        "ANTHROPIC_METRICS_HEALTH__PORT: health.port: ",
        "config.yaml: log.level: ",
    ]
    assert [line.strip().startswith(start) for line, start in zip(lines[1:], starts, strict=True)] == [
        True
    ] * 7


@pytest.mark.parametrize(
    "text",
    [
        f"anthropic: {{admin_key: [{KEY}]}}",
        f"anthropic: {KEY}",
        f"anthropic: {{admin_key: {KEY} {KEY}}}",
        f"anthropic: {{requests_per_minute: {KEY}}}",
        f"usage: {{interval: {KEY}}}",
        "usage: {interval: '${ELASTICSEARCH_PASSWORD}'}",
        "elasticsearch: {hosts: 'https://u:hunter2-hunter2@es'}",
        "elasticsearch: {username: u, password: *hunter2-hunter2}",
        "elasticsearch: {password: !hunter2-hunter2 x}",
        "elasticsearch: {password: 'hunter2-hunter2'\nx",
    ],
)
def test_no_message_shows_a_secret(text: str) -> None:
    message = refusal(text, {"ELASTICSEARCH_PASSWORD": "hunter2-hunter2"})
    assert KEY not in message
    assert "hunter2" not in message


def test_a_key_that_could_not_travel_in_a_header_is_refused() -> None:
    message = refusal("anthropic: {admin_key: 'sk-ant-admin one two'}")
    assert message == "config.yaml: anthropic.admin_key: must be one word of printable ASCII characters"


@pytest.mark.parametrize("quote", ['"', "'"])
def test_a_key_in_quotes_is_named_by_the_variable_it_comes_from(quote: str) -> None:
    message = refusal(
        "anthropic: {admin_key: '${ANTHROPIC_ADMIN_API_KEY:-}'}",
        {"ANTHROPIC_ADMIN_API_KEY": f"{quote}{KEY}{quote}"},
    )
    assert message == ("ANTHROPIC_ADMIN_API_KEY: anthropic.admin_key: has quotes around it; leave them out")


MISTAKES = {
    "indentation": ("usage:\n  interval: 5m\n cost: {}", "check the indentation"),
    "nested value": ("usage: interval: 5m", "check the indentation"),
    "special character": ("namespace: %x", "put a value that holds special characters in quotes"),
    "digits of another script": ("usage: {interval: ٣m}", "must be a whole number with a unit"),
    "amount of another script": ("alerts: {daily_cost_usd: '٣'}", "must be an amount"),
    "levels of another script": ("budgets: {levels: ['٣']}", "must be a list of percentages"),
    "long duration": ("retention: {usage: 999999d}", "must be at most 36500d"),
    "namespace with a bracket": ("namespace: a(b", "namespace: must be lower case"),
    "namespace beyond ASCII": ("namespace: É", "namespace: must be lower case"),
    "backfill to come": ("backfill: 2127-01-01", "backfill: must not lie in the future"),
    "title of a space": ("kibana: {space: My Space}", "kibana.space: must be a space's identifier"),
    "dead key": ("retention: {usage_by_api_key: 9d}", "retention.usage_by_api_key: is not a known key"),
    "address of a connector": ("alerts: {connectors: ['https://k/x']}", "entry 1: must be the id"),
    "no e-mail": ("alerts: {emails: [nobody]}", "entry 1: must be an e-mail address"),
    "host": ("health: {host: 'a b'}", "health.host: must be an address"),
}


@pytest.mark.parametrize(("text", "expected"), MISTAKES.values(), ids=MISTAKES)
def test_nonsense_is_refused_with_its_cure(text: str, expected: str) -> None:
    assert expected in refusal(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("anthropic: {base_url: 'http://proxy', admin_key: some-admin-key}", "anthropic.base_url"),
        ("kibana: {url: 'http://k', api_key: some-kibana-key}", "kibana.url"),
        ("alerts: {webhooks: ['http://chat/hook']}", "alerts.webhooks"),
        ("elasticsearch: {hosts: 'http://es', api_key_file: f}", "elasticsearch.hosts"),
    ],
)
def test_a_key_over_plain_http_is_cautioned_against(text: str, said: str) -> None:
    Path("config.yaml").write_text(text, encoding="utf-8")
    (caution,) = load_config(Path("config.yaml"), {}).cautions()
    assert said in caution
    assert "no TLS" in caution


def test_an_empty_health_host_is_the_default() -> None:
    Path("config.yaml").write_text("health: {host: ''}", encoding="utf-8")
    assert load_config(Path("config.yaml"), {}).health.host == "127.0.0.1"
