"""Set a version everywhere it stands: `python -m deploy.release 0.2.0`."""

from __future__ import annotations

import itertools
import re
import sys
from datetime import UTC, date, datetime
from pathlib import Path

ROOT = Path(__file__).parents[1]
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:(a|b|rc)(\d+))?")
_REPOSITORY = "https://github.com/anthropic-metrics/anthropic-metrics"
# Each file with the place of its version.
PLACES = {
    "src/anthropic_metrics/__init__.py": r'(?<=__version__ = ")[^"]+',
    "deploy/helm/anthropic-metrics/Chart.yaml": r'(?<=^version: )\S+|(?<=^appVersion: ")[^"]+',
    "README.md": r"(?<=registry\.example/anthropic-metrics:)\S+",
    "docs/getting-started.md": r"(?<=registry\.example/anthropic-metrics:)\S+",
}


def released(root: Path, version: str, today: date) -> None:
    """Write the version into its places, and give the changelog's Unreleased part its number and date.

    Raises ValueError for a version that is none, is not newer, or has nothing in the changelog.
    """
    before = re.search(
        PLACES["src/anthropic_metrics/__init__.py"], _read(root, "src/anthropic_metrics/__init__.py")
    )
    assert before
    if not _VERSION.fullmatch(version):
        raise ValueError(f"{version} is no version such as 0.2.0 or 0.2.0rc1")
    changelog = _read(root, "CHANGELOG.md")
    first = f"## [{version}]" not in changelog and "\n## [" not in changelog.split("## [Unreleased]", 1)[1]
    if _order(version) < _order(before[0]) or (version == before[0] and not first):
        raise ValueError(f"{version} is not newer than {before[0]}")
    head, rest = changelog.split("## [Unreleased]\n", 1)
    if not rest.split("\n## [", 1)[0].strip():
        raise ValueError("CHANGELOG.md has nothing under Unreleased")
    dated = f"{head}## [Unreleased]\n\n## [{version}] - {today.isoformat()}\n{rest}"
    _write(root, "CHANGELOG.md", _linked(dated))
    for path, place in PLACES.items():
        _write(root, path, re.sub(place, version, _read(root, path), flags=re.MULTILINE))


def _linked(changelog: str) -> str:
    """The changelog with a link for each version at its end: what changed since the one before."""
    text = re.sub(r"^\[[^\]]+\]: \S+\n", "", changelog, flags=re.MULTILINE).rstrip()
    versions = re.findall(r"^## \[(\d[^\]]*)\]", text, re.MULTILINE)
    links = [f"[Unreleased]: {_REPOSITORY}/compare/v{versions[0]}...HEAD"]
    links += [
        f"[{newer}]: {_REPOSITORY}/compare/v{older}...v{newer}"
        for newer, older in itertools.pairwise(versions)
    ]
    links.append(f"[{versions[-1]}]: {_REPOSITORY}/releases/tag/v{versions[-1]}")
    return "\n".join([text, "", *links, ""])


def _order(version: str) -> tuple[int, int, int, str, int]:
    found = _VERSION.fullmatch(version)
    assert found
    major, minor, patch, kind, number = found.groups()
    return int(major), int(minor), int(patch), kind or "z", int(number or 0)


def _read(root: Path, path: str) -> str:
    return (root / path).read_text("utf-8")


def _write(root: Path, path: str, text: str) -> None:
    (root / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        released(ROOT, sys.argv[1], datetime.now(UTC).date())
    except ValueError as error:
        sys.exit(f"scripts/release: {error}")
