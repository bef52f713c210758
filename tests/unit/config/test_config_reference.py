"""The example file and the reference say what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from anthropic_metrics.config import Config, load_config
from anthropic_metrics.config.origins import PLAIN_VARIABLES, variable_name
from anthropic_metrics.config.problems import KEYS
from anthropic_metrics.config.reference import EXAMPLES, example, main, reference

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "config.example.yaml"


def test_the_example_holds_exactly_the_defaults() -> None:
    assert load_config(EXAMPLE, {}) == Config()


def test_the_example_still_reads_the_plain_variables() -> None:
    config = load_config(
        EXAMPLE, {"ANTHROPIC_ADMIN_API_KEY": "sk-ant-admin01-example", "KIBANA_URL": "https://k"}
    )
    assert config.anthropic.secret().get() == "sk-ant-admin01-example"
    assert config.kibana.url == "https://k"


@pytest.mark.parametrize("keys", [*((key,) for key in EXAMPLES), tuple(EXAMPLES)])
def test_an_example_that_is_uncommented_is_valid(keys: tuple[tuple[str, ...], ...], tmp_path: Path) -> None:
    text = EXAMPLE.read_text("utf-8")
    for key in keys:
        lines = [f"  # {line}\n" for line in EXAMPLES[key].splitlines()]
        assert f"\n{key[0]}:\n{''.join(lines)}" in text
        text = text.replace("".join(lines), "".join(line.replace("# ", "", 1) for line in lines))
    path = tmp_path / "config.yaml"
    path.write_text(text, encoding="utf-8")
    config, plain = load_config(path, {}), Config()
    for name in ("budgets", "teams"):
        given = 2 if (name,) in keys else 0
        assert len(getattr(config, name)) == given
    assert config.model_copy(update={"budgets": (), "teams": ()}) == plain


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_every_key_is_in_the_example_and_in_the_reference(key: tuple[str, ...]) -> None:
    found = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    for name in key:
        assert name in found
        found = found[name]
    assert f"`{variable_name(key)}`" in (ROOT / "docs/configuration.md").read_text("utf-8")


@pytest.mark.parametrize("key", KEYS, ids=".".join)
def test_every_key_says_what_it_is_for(key: tuple[str, ...]) -> None:
    assert KEYS[key].description


def test_every_plain_variable_is_named_in_the_reference() -> None:
    assert [name for name in PLAIN_VARIABLES if name not in reference()] == []


def test_the_written_files_are_those_the_code_makes() -> None:
    assert EXAMPLE.read_text("utf-8") == example()
    assert main(["--check"]) == 0


def test_the_reference_names_the_kind_of_each_value() -> None:
    lines = reference().splitlines()
    for key, kind in {
        "usage_1d": "| duration or `none` | `none` |",
        "granularities": "| list | `[1m, 1h]` |",
        "format": "| one of `json`, `console` |  |",
        "backfill": "| duration or day | `last-month` |",
        "admin_key": "| secret |  |",
    }.items():
        assert any(line.startswith(f"| `{key}` |") and kind in line for line in lines), key


def test_what_finance_writes_is_together_and_comes_before_all_that_needs_a_cluster() -> None:
    sections = [line for line in example().splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert sections[:4] == ["anthropic:", "teams:", "budgets:", "elasticsearch:"]
