"""What the files beside the code promise: scripts, locked versions, no machine's paths."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [*(each for each in sorted((ROOT / "scripts").iterdir()) if not each.suffix), ROOT / ".ci/run"]
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_is_short_executable_posix_sh(script: Path) -> None:
    text = script.read_text("utf-8")
    assert text.startswith("#!/bin/sh\n# ")
    assert "set -eu" in text
    assert os.access(script, os.X_OK)
    assert len(text.splitlines()) <= 40
    subprocess.run(["sh", "-n", script], check=True)


def test_the_ci_runs_check_coverage_and_test_and_fails_if_any_does(tmp_path: Path) -> None:
    steps = ("check", "coverage", "test")
    for outcomes, expected in (
        ((0, 0, 0), 0),
        ((1, 0, 0), 1),
        ((0, 1, 0), 1),
        ((0, 0, 1), 1),
        ((3, 5, 2), 1),
    ):
        for name, code in zip(steps, outcomes, strict=True):
            script = tmp_path / "scripts" / name
            script.parent.mkdir(exist_ok=True)
            script.write_text(f"#!/bin/sh\necho {name} >> ran\nexit {code}\n")
            script.chmod(0o755)
        (tmp_path / ".ci").mkdir(exist_ok=True)
        (tmp_path / ".ci/run").write_bytes((ROOT / ".ci/run").read_bytes())
        (tmp_path / "ran").unlink(missing_ok=True)
        assert subprocess.run(["sh", tmp_path / ".ci/run"], check=False).returncode == expected
        assert tuple((tmp_path / "ran").read_text().split()) == steps


def locked(path: Path) -> dict[str, str]:
    """Each pinned distribution with the lines that belong to it."""
    entries = re.split(r"\n(?=\S)", path.read_text("utf-8"))
    pinned = [entry for entry in entries if not entry.startswith("#")]
    return {re.split(r"[=\[ ]", entry)[0].lower(): entry for entry in pinned if entry.strip()}


def wanted(*groups: list[Any]) -> set[str]:
    names = [line for group in groups for line in group if isinstance(line, str)]
    return {re.split(r"[<>=\[ ;]", name)[0].lower() for name in names}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_every_locked_version_is_exact_and_has_hashes(path: Path) -> None:
    entries = locked(path)
    assert entries
    for name, entry in entries.items():
        assert re.match(rf"{re.escape(name)}(\[\S+\])?==\S+", entry, re.IGNORECASE), name
        assert "--hash=sha256:" in entry, name


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_locked_requirements_name_no_index_and_no_url(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "://" not in text
    assert not re.search(r"--(extra-)?index-url|--find-links|--trusted-host|^-[if]\b", text, re.MULTILINE)


def test_every_dependency_is_locked_where_it_is_needed() -> None:
    project, groups = PROJECT["project"], PROJECT["dependency-groups"]
    runtime, demo = project["dependencies"], project["optional-dependencies"]["demo"]
    needed = {
        "runtime.txt": wanted(runtime),
        "demo.txt": wanted(runtime, demo, groups["build"]),
        "dev.txt": wanted(runtime, demo, groups["build"], groups["docs"], groups["dev"]),
        "docs.txt": wanted(groups["build"], groups["docs"]),
        "build.txt": wanted(groups["build"], PROJECT["build-system"]["requires"]),
    }
    assert {path.name for path in LOCKS} == set(needed)
    for name, names in needed.items():
        assert names - set(locked(ROOT / "requirements" / name)) == set(), name


def test_the_sets_of_locked_requirements_agree() -> None:
    everything = locked(ROOT / "requirements/dev.txt")
    for path in LOCKS:
        differing = {
            name for name, entry in locked(path).items() if version(entry) != version(everything[name])
        }
        assert differing == set(), path.name


def version(entry: str) -> str:
    return entry.split("==")[1].split()[0]


def tracked() -> list[Path]:
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


def test_nothing_in_the_repository_names_a_machine() -> None:
    # Spelled in parts, so that this file is no hit of its own.
    machine = re.compile("|".join(("/wo" + "rk/", "/ho" + "me/", "/Us" + "ers/", "/ro" + "ot/")))
    hits = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in tracked()
        if (found := machine.search(path.read_bytes().decode("utf-8", "replace")))
    ]
    assert hits == []


# Phrases that readers stumbled over, each split once so that this file holds none of them.
STUMBLES = (
    "were at| hand",
    "closest| minute",
    "fullest| minute",
    "busiest| minute",
    r"for| ever\b",
    "nothing| to keep",
    r"\bwants| an? ",
    "is no| usable",
    "if it is| to ",
    "to hear| them",
    "ended| well",
    "asked for| patience",
    "holds everything| it does",
    "longer than| nothing",
    "no fleet,| no agent",
    "is no| JSON",
)


def test_no_text_has_a_phrase_that_readers_stumbled_over() -> None:
    phrases = re.compile(
        "|".join(phrase.replace("|", "").replace(" ", r"\s+") for phrase in STUMBLES), re.IGNORECASE
    )
    hits = [
        f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, hit.start()) + 1}: {hit[0]}"
        for path in tracked()
        if path.suffix in {".md", ".py", ".yaml", ".toml"}
        for text in [path.read_text("utf-8")]
        for hit in phrases.finditer(text)
    ]
    assert hits == []


PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("**/*.md")),
    *sorted((ROOT / "src").glob("**/*.py")),
]


def test_no_page_installs_by_a_name_that_anybody_may_register() -> None:
    command = re.compile(
        r"(?:pip|pipx|uv)\b[^`\n#]*\binstall\b[^`\n#]*anthropic-metrics|uvx anthropic-metrics"
    )
    found = [(page.name, match[0]) for page in PAGES for match in command.finditer(page.read_text("utf-8"))]
    assert [each for each in found if ".whl" not in each[1] and "git+" not in each[1]] == []


def test_the_docs_say_what_each_kibana_leaves_out() -> None:
    dashboards = " ".join((ROOT / "docs/dashboards.md").read_text("utf-8").split())
    assert "8.17 ignores the labels and formats of ES|QL columns" in dashboards
    assert "Use 8.18 or newer if that matters." in dashboards
    alerts = " ".join((ROOT / "docs/alerts.md").read_text("utf-8").split())
    assert "9.2.1 and newer imports as rule templates" in alerts
    assert "9.2.0 refuses them" in alerts


def test_every_file_of_tests_has_a_name_of_its_own() -> None:
    """Pytest imports them by their names alone."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


PYTHON = sorted(
    path for folder in ("src", "tests", "bench", "deploy") for path in (ROOT / folder).rglob("*.py")
)


def test_whatever_a_checker_is_told_to_ignore_has_its_reason_beside_it() -> None:
    bare = re.compile(r"# (type: ignore(\[[\w, -]*\])?|noqa(: [A-Z0-9, ]+)?)\s*$", re.MULTILINE)
    assert not [str(path.relative_to(ROOT)) for path in PYTHON if bare.search(path.read_text("utf-8"))]


def test_no_test_sleeps() -> None:
    tests = [path for path in PYTHON if path.is_relative_to(ROOT / "tests")]
    assert not [str(path.relative_to(ROOT)) for path in tests if _sleeps(path.read_text("utf-8"))]


def _sleeps(text: str) -> bool:
    """Whether a module calls the `sleep` of the module `time`."""
    nodes = list(ast.walk(ast.parse(text)))
    if any(isinstance(node, ast.ImportFrom) and node.module == "time" for node in nodes):
        return "sleep(" in text
    imported = any(isinstance(node, ast.Import) and node.names[0].name == "time" for node in nodes)
    return imported and any(
        isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep" for node in nodes
    )


def test_a_module_of_the_product_is_at_most_three_hundred_lines_long() -> None:
    source = [path for path in PYTHON if path.is_relative_to(ROOT / "src")]
    assert not [path.name for path in source if len(path.read_text("utf-8").splitlines()) > 300]
