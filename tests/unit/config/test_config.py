"""What a configuration means when it is right."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from anthropic_metrics.config import (
    Backfill,
    Config,
    ElasticsearchSettings,
    RetentionSettings,
    format_duration,
    load_config,
    parse_duration,
)
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kernel.datasets import USAGE

KEY = "sk-ant-admin01-0123456789abcdef"


def write(text: str, name: str = "config.yaml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def test_without_a_file_or_variables_all_is_default() -> None:
    assert load_config(None, {}) == Config()


def test_three_plain_variables_are_enough_to_begin() -> None:
    config = load_config(
        None,
        {
            "ANTHROPIC_ADMIN_API_KEY": KEY,
            "ELASTICSEARCH_URL": "https://es:9200",
            "ELASTICSEARCH_API_KEY": "YXBpLWtleQ==",
        },
    )
    config.require_admin_key()
    config.require_elasticsearch()
    secret = config.elasticsearch.secret()
    assert (config.elasticsearch.hosts, secret and secret.get()) == (("https://es:9200",), "YXBpLWtleQ==")


def test_the_environment_wins_over_the_file_over_plain_variables_over_the_default() -> None:
    path = write("elasticsearch: {hosts: [https://file:9200]}\nusage: {interval: 10m}\nnamespace: file")
    environ = {
        "ELASTICSEARCH_URL": "https://plain:9200",
        "ANTHROPIC_METRICS_USAGE__INTERVAL": "20m",
        "ANTHROPIC_METRICS_NAMESPACE": "environment",
    }
    config = load_config(path, environ)
    assert config.usage.interval == timedelta(minutes=20)
    assert config.namespace == "environment"
    assert config.elasticsearch.hosts == ("https://file:9200",)
    assert config.cost.interval == timedelta(hours=1)


def test_the_file_is_the_named_one_else_that_of_the_variable_else_config_yaml_here() -> None:
    write("namespace: here")
    write("namespace: variable", "variable.yaml")
    named = write("namespace: named", "named.yaml")
    variable = {"ANTHROPIC_METRICS_CONFIG": "variable.yaml"}
    assert load_config(named, variable).namespace == "named"
    assert load_config(None, variable).namespace == "variable"
    assert load_config(None, {}).namespace == "here"


def test_a_folder_that_is_closed_to_this_user_is_a_message_and_no_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refuse)
    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(ConfigError, match="cannot be looked for in this folder: Permission denied"):
        load_config(None, {})
    authority = {"ANTHROPIC_METRICS_ANTHROPIC__CA_FILE": "/closed/ca.pem"}
    with pytest.raises(ConfigError, match=r"/closed/ca\.pem: Permission denied"):
        load_config(write("namespace: named"), authority)


@pytest.mark.parametrize("text", ["model, speed", "[model, speed]", '["model","speed"]', "model,speed,"])
def test_a_list_may_come_from_the_environment_in_any_usual_form(text: str) -> None:
    config = load_config(None, {"ANTHROPIC_METRICS_USAGE__GROUP_BY": text})
    assert config.usage.group_by == ("model", "speed")


def test_a_list_from_the_environment_can_be_empty() -> None:
    path = write("usage: {workspace_ids: [wrkspc_01]}")
    assert load_config(path, {"ANTHROPIC_METRICS_USAGE__WORKSPACE_IDS": "[]"}).usage.workspace_ids == ()


def test_numbers_and_switches_may_come_from_the_environment() -> None:
    environ = {
        "ANTHROPIC_METRICS_ANTHROPIC__REQUESTS_PER_MINUTE": "5",
        "ANTHROPIC_METRICS_ELASTICSEARCH__VERIFY_CERTS": "false",
        "ANTHROPIC_METRICS_LOG__LEVEL": "DEBUG",
    }
    config = load_config(None, environ)
    found = (config.anthropic.requests_per_minute, config.elasticsearch.verify_certs, config.log.level)
    assert found == (5, False, "debug")


@pytest.mark.parametrize(
    "environ",
    [
        {"ANTHROPIC_METRICS_PORT": "tcp://10.0.0.1:9321", "ANTHROPIC_METRICS_SERVICE_HOST": "10.0.0.1"},
        {"ANTHROPIC_METRICS_HEALTH_PORT": "tcp://10.0.0.1:9321"},
        {"ANTHROPIC_METRICS_CACHE": "/tmp/x", "ANTHROPIC_METRICS_USAGE__INTERVAL": ""},
    ],
    ids=["service", "service that looks like a key", "other names and empty ones"],
)
def test_variables_that_are_not_keys_are_left_alone(environ: dict[str, str]) -> None:
    assert load_config(None, environ) == Config()


def test_a_file_may_refer_to_variables_with_and_without_default() -> None:
    text = """
        namespace: ${STAGE}
        usage: {interval: "${EVERY:-7m}", group_by: "${GROUPS}", workspace_ids: ["wrkspc_${TEAM}"]}
        elasticsearch: {username: u, password: "a$${b}c$d"}
    """
    config = load_config(
        write(text), {"STAGE": "prod", "GROUPS": "model,workspace_id", "TEAM": "01", "EVERY": ""}
    )
    assert (config.namespace, config.usage.interval) == ("prod", timedelta(minutes=7))
    assert (config.usage.group_by, config.usage.workspace_ids) == (("model", "workspace_id"), ("wrkspc_01",))
    secret = config.elasticsearch.secret()
    assert secret is not None
    assert secret.get() == "a${b}c$d"


def test_a_reference_that_the_environment_overrides_may_be_unset() -> None:
    path = write("anthropic: {admin_key: '${UNSET}'}")
    assert load_config(path, {"ANTHROPIC_METRICS_ANTHROPIC__ADMIN_KEY": KEY}).anthropic.secret().get() == KEY


def test_values_of_the_environment_are_taken_as_they_are() -> None:
    environ = {"ELASTICSEARCH_USERNAME": "u", "ELASTICSEARCH_PASSWORD": "${not} a reference"}
    secret = load_config(None, environ).elasticsearch.secret()
    assert secret is not None
    assert secret.get() == "${not} a reference"


@pytest.mark.parametrize(
    ("text", "environ", "expected"),
    [
        ("anthropic: {admin_key_file: f}", {"ANTHROPIC_ADMIN_API_KEY": KEY}, {"admin_key_file": Path("f")}),
        (
            f"anthropic: {{admin_key: {KEY}}}",
            {"ANTHROPIC_METRICS_ANTHROPIC__ADMIN_KEY_FILE": "f"},
            {"admin_key": None},
        ),
        (
            "anthropic: {admin_key_file: ''}",
            {"ANTHROPIC_ADMIN_API_KEY": KEY},
            {"admin_key": SecretStr(KEY), "admin_key_file": None},
        ),
        (
            "anthropic: {admin_key: '${OTHER:-}'}",
            {"ANTHROPIC_ADMIN_API_KEY": KEY},
            {"admin_key": SecretStr(KEY)},
        ),
    ],
    ids=["file over plain variable", "variable over file", "empty is not given", "empty reference"],
)
def test_one_way_to_give_a_key_puts_aside_the_ways_of_lower_layers(
    text: str, environ: dict[str, str], expected: dict[str, object]
) -> None:
    anthropic = load_config(write(text), environ).anthropic
    assert {name: getattr(anthropic, name) for name in expected} == expected


def test_a_user_in_the_file_and_its_password_in_the_environment_belong_together() -> None:
    path = write("elasticsearch: {hosts: https://es, username: agent}")
    config = load_config(
        path, {"ELASTICSEARCH_PASSWORD": "p w", "ELASTICSEARCH_API_KEY": "api-key-of-config-test"}
    )
    secret = config.elasticsearch.secret()
    assert (config.elasticsearch.api_key, secret and secret.get()) == (None, "p w")


def test_a_cluster_without_security_needs_no_secret() -> None:
    config = load_config(None, {"ELASTICSEARCH_URL": "http://localhost:9200"})
    config.require_elasticsearch()
    assert config.elasticsearch.secret() is None
    assert config.kibana.secret() is None


def test_an_empty_section_is_as_good_as_none() -> None:
    assert load_config(write("usage:\ncost: {}\n"), {}) == Config()


@pytest.mark.parametrize("word", ["none", "None", "", "~"])
def test_retention_none_keeps_for_ever(word: str) -> None:
    assert load_config(write(f"retention: {{usage: {word}}}"), {}).retention.of(USAGE) is None


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("5m", timedelta(minutes=5)),
        ("1h", timedelta(hours=1)),
        ("30d", timedelta(30)),
    ],
)
def test_durations_are_read_and_written_alike(text: str, duration: timedelta) -> None:
    assert parse_duration(text) == duration
    assert format_duration(duration) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("30d", datetime(2026, 2, 8, tzinfo=UTC)),
        ("36h", datetime(2026, 3, 9, tzinfo=UTC)),
        ("48h", datetime(2026, 3, 8, tzinfo=UTC)),
        ("24h", datetime(2026, 3, 9, tzinfo=UTC)),
        ("23h", datetime(2026, 3, 10, tzinfo=UTC)),
        ("2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)),
        ("'2026-01-01'", datetime(2026, 1, 1, tzinfo=UTC)),
    ],
)
def test_backfill_begins_at_a_utc_midnight_that_is_not_to_come(text: str, expected: datetime) -> None:
    # 01:30 on the 11th in Berlin is still the 10th in UTC.
    now = datetime(2026, 3, 11, 0, 30, tzinfo=timezone(timedelta(hours=1)))
    assert load_config(write(f"backfill: {text}"), {}).backfill.since(now) == expected


def test_a_configuration_shows_no_secret_and_cannot_be_changed() -> None:
    config = load_config(
        None, {"ANTHROPIC_ADMIN_API_KEY": KEY, "ELASTICSEARCH_API_KEY": "api-key-of-config-test"}
    )
    for text in (repr(config), str(config), config.model_dump_json()):
        assert KEY not in text
        assert "api-key-of-config-test" not in text
    with pytest.raises(ValidationError):
        config.namespace = "other"  # type: ignore[misc]  # it is frozen


def test_a_configuration_is_written_as_it_is_read() -> None:
    config = Config(backfill=Backfill(date(2026, 1, 1)), retention=RetentionSettings(cost=None))
    written = config.model_dump(mode="json")
    assert (written["backfill"], written["usage"]["interval"]) == ("2026-01-01", "5m")
    assert (written["retention"]["cost"], written["retention"]["usage"]) == ("none", "400d")
    assert Config.model_validate(written) == config


def test_what_is_unsafe_is_said() -> None:
    def cautions(**settings: object) -> list[str]:
        return list(Config(elasticsearch=ElasticsearchSettings.model_validate(settings)).cautions())

    assert cautions() == []
    assert "verify_certs" in cautions(verify_certs=False)[0]
    assert "no TLS" in cautions(hosts="http://es:9200", api_key="api-key-of-config-test")[0]
    assert cautions(hosts="http://localhost:9200,https://es", api_key="api-key-of-config-test") == []
    assert cautions(hosts="http://es:9200") == []


def test_only_what_a_command_needs_is_required() -> None:
    config = load_config(None, {})
    with pytest.raises(ConfigError, match=r"anthropic\.admin_key: .*ANTHROPIC_ADMIN_API_KEY.*admin_key_file"):
        config.require_admin_key()
    with pytest.raises(ConfigError, match=r"elasticsearch\.hosts: .*ELASTICSEARCH_URL"):
        config.require_elasticsearch()


@pytest.mark.parametrize("given", [{"username": "u"}, {"password": "p"}, {"password_file": "f"}])
def test_a_user_without_password_and_the_reverse_are_refused(given: dict[str, str]) -> None:
    settings = ElasticsearchSettings.model_validate({"hosts": "https://es", **given})
    with pytest.raises(ConfigError, match="belong together"):
        Config(elasticsearch=settings).require_elasticsearch()


def test_a_key_file_that_is_not_there_is_named_with_its_key() -> None:
    config = load_config(write("anthropic: {admin_key_file: /nowhere/key}"), {})
    with pytest.raises(
        ConfigError, match=r"anthropic\.admin_key_file: cannot read /nowhere/key: No such file"
    ):
        config.require_admin_key()


def test_default_thresholds_are_named_where_the_agent_evaluates_its_rules() -> None:
    def hints(**alerts: object) -> list[str]:
        return list(Config.model_validate({"alerts": alerts}).hints())

    assert hints() == []
    (said,) = hints(evaluate=True)
    assert "alerts suggest" in said
    assert "daily_cost_usd, workspace_daily_cost_usd, hourly_tokens, unattributed_tokens" in said
    assert hints(evaluate=True, rules=["no_fresh_data"]) == []
    assert "hourly_tokens" not in hints(evaluate=True, hourly_tokens=9_000_000)[0]
