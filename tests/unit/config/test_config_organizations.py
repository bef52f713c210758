"""Several organizations in one configuration."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from anthropic_metrics.cli import app
from anthropic_metrics.config import Config, load_config
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.redaction import redact

TWO = """
usage: {interval: 10m, granularities: [1m, 1h]}
budgets: [{name: everything, usd: 500}]
anthropic: {base_url: "https://gateway.example", requests_per_minute: 30}
organizations:
  - {name: acme, admin_key: sk-ant-admin01-of-acme-0001}
  - name: acme-eu
    admin_key: ${EU_KEY}
    base_url: https://eu.example
    usage: {granularities: [1h]}
    budgets: [{name: everything, usd: 9}]
    backfill: 3d
"""
EU = "sk-ant-admin01-of-acme-eu-0002"


def loaded(text: str, environ: dict[str, str] | None = None) -> Config:
    Path("config.yaml").write_text(text, encoding="utf-8")
    return load_config(None, {"EU_KEY": EU} if environ is None else environ)


def refusal(text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(text, environ)
    return str(caught.value)


def test_each_organization_has_what_is_above_and_its_own_key_by_key() -> None:
    acme, eu = loaded(TWO).per_organization()
    assert (acme.label, eu.label) == ("acme", "acme-eu")
    assert acme.anthropic.secret().get() == "sk-ant-admin01-of-acme-0001"
    assert eu.anthropic.secret().get() == EU
    assert (acme.anthropic.base_url, eu.anthropic.base_url) == (
        "https://gateway.example",
        "https://eu.example",
    )
    assert acme.anthropic.requests_per_minute == eu.anthropic.requests_per_minute == 30
    assert (acme.usage.granularities, eu.usage.granularities) == (("1m", "1h"), ("1h",))
    assert acme.usage.interval == eu.usage.interval == timedelta(minutes=10)
    assert [budget.amount for each in (acme, eu) for budget in each.budgets] == [500, 9]
    assert (str(acme.backfill), str(eu.backfill)) == ("last-month", "3d")


def test_the_single_form_is_the_one_element_case_without_a_name() -> None:
    config = loaded("anthropic: {admin_key: sk-ant-admin01-single-0001}")
    assert config.per_organization() == (config,)
    assert config.label == ""


def test_an_organization_is_named_in_any_case_and_an_unknown_name_says_which_there_are() -> None:
    config = loaded(TWO)
    assert config.of("ACME-EU").label == "acme-eu"
    with pytest.raises(ConfigError, match="it has acme, acme-eu"):
        config.of("acme-us")
    with pytest.raises(ConfigError, match="no `organizations`"):
        Config().of("acme")


def test_organizations_put_the_plain_variable_of_one_key_aside() -> None:
    config = loaded(TWO, {"EU_KEY": EU, "ANTHROPIC_ADMIN_API_KEY": "sk-ant-admin01-of-a-shell-03"})
    assert config.anthropic.admin_key is None


def test_the_environment_gives_the_list_as_yaml_or_json() -> None:
    text = '[{"name": "one", "admin_key": "sk-ant-admin01-in-the-env-04"}]'
    config = loaded("namespace: test", {"ANTHROPIC_METRICS_ORGANIZATIONS": text})
    assert [each.label for each in config.per_organization()] == ["one"]
    assert "in-the-env-04" not in redact.scrub(f"it was {text}")


def test_keys_of_the_list_are_hidden_whatever_else_is_wrong() -> None:
    text = "organizations: [{name: a, admin_key: a-key-without-a-known-prefix-05, colour: red}]"
    assert "colour: entry 1: is not a known key" in refusal(text)
    assert "prefix-05" not in redact.scrub("x a-key-without-a-known-prefix-05 x")
    assert EU not in repr(loaded(TWO))


KEY = "admin_key: sk-ant-admin01-of-a-case-0006"
CASES = {
    "no key": ("organizations: [{name: a}]", "organizations: a: needs admin_key or admin_key_file"),
    "no name": (f"organizations: [{{{KEY}}}]", "organizations.name: entry 1: is missing"),
    "a name that cannot be one": (
        f"organizations: [{{name: 'a/b', {KEY}}}]",
        "organizations.name: entry 1: must be 1 to 100 letters",
    ),
    "a name twice": (
        f"organizations: [{{name: a, {KEY}}}, {{name: A, admin_key: sk-ant-admin01-another-0007}}]",
        "organizations: two entries have the name",
    ),
    "a key twice": (
        f"organizations: [{{name: a, {KEY}}}, {{name: b, {KEY}}}]",
        "organizations: a: has the same key as another entry",
    ),
    "not a list": ("organizations: acme", "organizations: must be a list of mappings"),
    "a key above as well": (
        f"anthropic: {{{KEY}}}\norganizations: [{{name: a, admin_key: sk-ant-admin01-another-0007}}]",
        "organizations: each organization has its own admin_key: take anthropic.admin_key out",
    ),
    "a wrong value in the second": (
        f"organizations: [{{name: a, {KEY}}}, {{name: b, usage: {{interval: 5}}}}]",
        "organizations.usage.interval: entry 2: must be a whole number with a unit",
    ),
    "an override that does not fit what is above": (
        "usage: {group_by: [model]}\n"
        f"organizations: [{{name: a, {KEY}, usage: {{workspace_ids: [Default]}}}}]",
        "organizations: a: workspace_ids: needs workspace_id in usage.group_by",
    ),
    "minutes longer than they are kept": (
        f"retention: {{usage_1m: 10d}}\norganizations: [{{name: a, {KEY}, usage: {{minute_backfill: 20d}}}}]",
        "organizations: a: retention.usage_1m must be at least usage.minute_backfill (20d)",
    ),
    "retention, which the streams share": (
        f"organizations: [{{name: a, {KEY}, retention: {{usage: 9d}}}}]",
        "organizations.retention: entry 1: is not a known key",
    ),
}


@pytest.mark.parametrize(("text", "message"), CASES.values(), ids=CASES)
def test_what_is_wrong_with_the_list_names_the_organization_and_the_key(text: str, message: str) -> None:
    assert message in refusal(text)


def test_people_may_be_off_in_one_organization_alone() -> None:
    people = "people: {enabled: true, salt: a salt for tests only, identify: id}\n"
    acme, eu = loaded(people + TWO + "    people: {enabled: false}\n").per_organization()

    assert (acme.people.enabled, eu.people.enabled) == (True, False)
    assert acme.people.identify == eu.people.identify == "id"


def test_validate_reads_the_key_file_of_every_organization() -> None:
    Path("acme.key").write_text("sk-ant-admin01-of-acme-0001", encoding="utf-8")
    Path("config.yaml").write_text(
        "organizations: [{name: acme, admin_key_file: acme.key}, {name: acme-eu, admin_key_file: none.key}]"
    )
    result = CliRunner().invoke(app, ["config", "validate"])
    assert "organizations: acme-eu.admin_key_file: cannot read" in str(result.exception)


def test_show_masks_the_keys_of_the_list() -> None:
    Path("config.yaml").write_text(TWO.replace("${EU_KEY}", EU), encoding="utf-8")
    shown = CliRunner().invoke(app, ["config", "show", "--format", "json"]).stdout
    assert "acme-eu" in shown
    assert EU not in shown
    assert "of-acme-0001" not in shown


def test_a_parents_key_needs_the_id_of_its_organization_and_is_not_for_all() -> None:
    parent = f"organizations: [{{name: a, {KEY}, parent: true}}]"
    assert "organizations.parent: entry 1: needs organization_id" in refusal(parent)
    above = f"anthropic: {{organization_id: x, parent: true}}\norganizations: [{{name: a, {KEY}}}]"
    assert "each organization has its own parent: take anthropic.parent out" in refusal(above)
