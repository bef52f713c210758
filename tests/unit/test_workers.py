"""What is expensive is made by one worker of the suite."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.harness.workers import TOGETHER, scope

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("fixture", TOGETHER)
def test_all_files_that_use_a_shared_fixture_go_to_one_worker(fixture: str) -> None:
    users = []
    for file in sorted((ROOT / "tests/e2e").rglob("test_*.py")):
        text = file.read_text("utf-8")
        own = f"def {fixture}(" in text
        if not own and re.search(rf"^def test_\w+\([^)]*\b{fixture}: ", text, re.MULTILINE):
            users.append(file.relative_to(ROOT).as_posix())
    assert users
    assert {scope(f"{user}::test_it[a]") for user in users} == {fixture}


def test_any_other_file_is_taken_as_a_whole() -> None:
    assert scope("tests/unit/test_workers.py::test_it[a::b]") == "tests/unit/test_workers.py"
