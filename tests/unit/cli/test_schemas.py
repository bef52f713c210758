"""The published schemas of `--format json`: they are the tables', and hold what is printed."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator, ValidationError

from anthropic_metrics.cli import render, schemas
from anthropic_metrics.cli.cells import Kind
from anthropic_metrics.cli.reference import commands
from anthropic_metrics.cli.render import TABLES_ATTRIBUTE, Answer, Column, Format, Layout
from tests.harness.command_line import run
from tests.harness.command_schemas import hold

VALUES: dict[Kind, Any] = {
    "text": "a name",
    "integer": 12,
    "number": 0.5,
    "share": 0.25,
    "decimal": Decimal("-12.340"),
    "time": datetime(2026, 1, 1, tzinfo=UTC),
    "duration": timedelta(minutes=5),
    "boolean": True,
    "list": ("a", "b"),
}
EVERY = Layout("every_kind", *(Column(kind, kind) for kind in VALUES))


def test_the_schemas_are_what_the_tables_say() -> None:
    assert schemas.main(["--check"]) == 0


@pytest.mark.parametrize("path", sorted(schemas.FOLDER.glob("*.json")), ids=lambda path: path.stem)
def test_each_schema_is_one(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text("utf-8")))


def test_every_command_with_a_format_has_a_schema_on_its_page() -> None:
    page = (schemas.FOLDER.parent / "commands.md").read_text("utf-8")
    having = [name for name, command in commands() if getattr(command.callback, TABLES_ATTRIBUTE, ())]
    assert having
    for name in having:
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert f"(schemas/{schemas.file_name(name)})" in section


@pytest.mark.parametrize("row", [tuple(VALUES.values()), (None,) * len(VALUES)], ids=["values", "nothing"])
def test_a_value_of_each_kind_is_printed_as_its_schema_says(
    row: tuple[Any, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert set(VALUES) == set(get_args(Kind))
    render.show(Answer(EVERY.table([row]), notes=["a note"]), Format.json)
    printed = json.loads(capsys.readouterr().out)
    Draft202012Validator(schemas.schema("every", [EVERY])).validate(printed)


@pytest.mark.parametrize("kind", VALUES)
def test_a_value_of_another_kind_is_refused(kind: Kind) -> None:
    layout = Layout("one", Column("value", kind))
    wrong = 1 if kind == "text" else "no such value"
    with pytest.raises(ValidationError):
        hold(Answer(layout.table([(wrong,)])))


def test_what_a_command_prints_is_held_against_the_published_schema(tmp_path: Path) -> None:
    done = run(tmp_path, "config", "show", "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["configuration"]
