"""Releases: the version is set once, the changelog dated, the bill of materials the lock file's."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from anthropic_metrics import __version__
from deploy.bill_of_materials import LOCK, components, sbom, table
from deploy.release import PLACES, released
from hatch_build import absolute

ROOT = Path(__file__).parents[2]
REPOSITORY = "https://github.com/anthropic-metrics/anthropic-metrics"
TODAY = date(2026, 12, 1)


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for path in PLACES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n### Added\n- A thing.\n")
    return tmp_path


def test_a_release_sets_its_version_everywhere_and_dates_the_changelog(copy: Path) -> None:
    released(copy, "9.8.7", TODAY)
    for path, place in PLACES.items():
        assert set(re.findall(place, (copy / path).read_text(), re.MULTILINE)) == {"9.8.7"}, path
    assert (copy / "CHANGELOG.md").read_text() == (
        "# Changelog\n\n## [Unreleased]\n\n## [9.8.7] - 2026-12-01\n\n### Added\n- A thing.\n\n"
        f"[Unreleased]: {REPOSITORY}/compare/v9.8.7...HEAD\n[9.8.7]: {REPOSITORY}/releases/tag/v9.8.7\n"
    )


def test_each_version_of_the_changelog_links_what_changed_since_the_one_before(copy: Path) -> None:
    released(copy, "9.0.0", TODAY)
    text = (copy / "CHANGELOG.md").read_text().replace("[Unreleased]\n", "[Unreleased]\n\n- More.\n", 1)
    (copy / "CHANGELOG.md").write_text(text)
    released(copy, "9.1.0", TODAY)
    assert (
        (copy / "CHANGELOG.md")
        .read_text()
        .endswith(
            f"- A thing.\n\n[Unreleased]: {REPOSITORY}/compare/v9.1.0...HEAD\n"
            f"[9.1.0]: {REPOSITORY}/compare/v9.0.0...v9.1.0\n[9.0.0]: {REPOSITORY}/releases/tag/v9.0.0\n"
        )
    )


def test_the_first_release_may_have_the_version_that_stands_there(copy: Path) -> None:
    released(copy, __version__, TODAY)
    with pytest.raises(ValueError, match="is not newer"):
        released(copy, __version__, TODAY)


@pytest.mark.parametrize(
    ("version", "why"),
    [("0.0.1", "is not newer than"), ("v9.0.0", "is no version"), ("9.0", "is no version")],
)
def test_an_older_version_or_none_is_refused(copy: Path, version: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        released(copy, version, TODAY)


def test_a_release_without_a_line_in_the_changelog_is_refused(copy: Path) -> None:
    (copy / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n\n## [0.0.1] - 2026-01-01\n- Old.\n")
    with pytest.raises(ValueError, match="nothing under Unreleased"):
        released(copy, "9.0.0", TODAY)
    assert __version__ in (copy / "src/anthropic_metrics/__init__.py").read_text()


def test_a_release_candidate_comes_before_its_release(copy: Path) -> None:
    released(copy, "9.0.0rc1", TODAY)
    text = (copy / "CHANGELOG.md").read_text().replace("[Unreleased]\n", "[Unreleased]\n\n- Mended.\n", 1)
    (copy / "CHANGELOG.md").write_text(text)
    released(copy, "9.0.0", TODAY)


def test_the_bill_of_materials_has_every_locked_distribution_with_a_licence() -> None:
    found = list(components())
    pinned = re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text("utf-8"), re.MULTILINE)
    assert [(each.name, each.version) for each in found] == pinned
    assert [each.name for each in found if each.licence == "unknown"] == []
    bill = sbom(found, datetime(2026, 12, 1, tzinfo=UTC))
    assert bill["metadata"]["timestamp"] == "2026-12-01T00:00:00Z"
    licences = [licence for each in bill["components"] for licence in each["licenses"]]
    assert all(licence.keys() in ({"expression"}, {"license"}) for licence in licences)
    assert {"expression": "MIT"} in licences
    assert len(bill["components"]) == len(bill["dependencies"][0]["dependsOn"]) == len(pinned)
    assert all(each["purl"].startswith("pkg:pypi/") for each in bill["components"])
    assert f"| pydantic | {dict(pinned)['pydantic']} | MIT |" in table(found)


def test_every_link_of_the_packages_description_is_an_address_of_a_file_that_exists() -> None:
    text = absolute((ROOT / "README.md").read_text("utf-8"))
    targets = re.findall(r"\]\(([^)\s#]+)", text)
    assert len(targets) > 20
    for target in targets:
        found = re.fullmatch(r"https://(?:raw\.githubusercontent|github)\.com/[\w-]+/[\w-]+/(.+)", target)
        assert found, target
        path = found[1].removeprefix("blob/main/").removeprefix("main/")
        assert (ROOT / path).is_file(), target
    assert "](https://raw.githubusercontent.com/" in text
