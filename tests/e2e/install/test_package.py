"""The wheel: built from what the image copies, installed into an empty venv, used outside the checkout."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest

from anthropic_metrics import __version__

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the files that the Dockerfile copies and no others."""
    source = tmp_path_factory.mktemp("source")
    for line in re.findall(r"^COPY (?!--)(.*)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE):
        *paths, target = shlex.split(line)
        for path in paths:
            copy(ROOT / path, source / target / Path(path).name if target.endswith("/") else source / target)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(source / "out")]
    run([*build, str(source)], source)
    (built,) = (source / "out").iterdir()
    return built


def assets() -> list[Path]:
    found = [
        path
        for name in ("index_templates", "ingest_pipelines", "kibana")
        for path in (ROOT / name).rglob("*.*")
    ]
    assert found
    return found


def copy(source: Path, target: Path) -> None:
    """As COPY does: a folder's content, or a file into a folder."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        folder = target if target.is_dir() else target.parent
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / source.name)


@pytest.fixture(scope="module")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`anthropic-metrics` in a venv that holds the wheel and the locked runtime requirements only."""
    venv = tmp_path_factory.mktemp("venv")
    run([sys.executable, "-m", "venv", str(venv)], venv)
    (site,) = venv.glob("lib/python*/site-packages")
    for name in re.findall(
        r"^([\w.-]+)==", (ROOT / "requirements/runtime.txt").read_text("utf-8"), re.MULTILINE
    ):
        lend(name, site)
    run(
        [str(venv / "bin/python"), "-m", "pip", "install", "--no-index", "--no-deps", "--quiet", str(wheel)],
        venv,
    )
    return venv / "bin/anthropic-metrics"


def lend(name: str, site: Path) -> None:
    """Link an installed distribution into `site`, so that no network is needed."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return  # One for another platform.
    for top in {file.parts[0] for file in found.files or () if file.parts[0] not in {"..", "__pycache__"}}:
        (site / top).symlink_to(Path(str(found.locate_file(top))))


def run(arguments: list[str], folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME", "TMPDIR", "LANG"}}
    done = subprocess.run(
        arguments,
        cwd=folder,
        env={**kept, **environ},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def test_the_wheel_carries_its_assets_and_types_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    carried = {name.removeprefix("anthropic_metrics/assets/") for name in names if "/assets/" in name}
    rules = (ROOT / "alert_rules").rglob("*.json")
    wanted = {str(path.relative_to(ROOT)) for path in (*assets(), *rules)}
    assert carried == {"config.example.yaml", *wanted}
    assert "anthropic_metrics/py.typed" in names
    assert {name.split("/")[0] for name in names} == {
        "anthropic_metrics",
        f"anthropic_metrics-{__version__}.dist-info",
    }


def test_the_metadata_say_where_the_project_is_and_under_which_licence(wheel: Path) -> None:
    name = f"anthropic_metrics-{__version__}.dist-info/METADATA"
    said = zipfile.ZipFile(wheel).read(name).decode("utf-8")
    for line in ("License-Expression: Apache-2.0", "Description-Content-Type: text/markdown"):
        assert f"\n{line}\n" in said
    urls = dict(re.findall(r"^Project-URL: (\w+), (https://\S+)$", said, re.MULTILINE))
    assert urls.keys() == {"Homepage", "Documentation", "Changelog", "Issues"}


def test_the_installed_command_shows_its_help(command: Path, tmp_path: Path) -> None:
    shown = run([str(command), "--help"], tmp_path).stdout
    for name in (
        "run",
        "once",
        "backfill",
        "setup",
        "check",
        "preview",
        "alerts",
        "simulate",
        "demo",
        "healthcheck",
        "dashboards",
    ):
        assert name in shown


def test_it_is_the_wheel_that_runs_not_the_checkout(command: Path, tmp_path: Path) -> None:
    script = "import anthropic_metrics; print(anthropic_metrics.__file__)"
    where = run([str(command.parent / "python"), "-c", script], tmp_path).stdout
    assert where.startswith(str(command.parent.parent))


def test_the_installed_command_finds_its_assets(
    command: Path, tmp_path: Path, elasticsearch_url: str
) -> None:
    done = run(
        [str(command), "setup", "--dry-run"], tmp_path, ELASTICSEARCH_URL=elasticsearch_url, COLUMNS="200"
    )
    assert [path.stem for path in assets() if path.suffix == ".json" and path.stem not in done.stdout] == []


def test_the_installed_command_brings_its_dashboards_and_draws_a_page_of_them(
    command: Path, tmp_path: Path, elasticsearch_url: str
) -> None:
    exported = run([str(command), "dashboards", "export"], tmp_path).stdout
    assert exported == (ROOT / "kibana/dashboards.ndjson").read_text("utf-8")
    script = (
        "from anthropic_metrics.kibana.definitions import load_bundle; print(len(load_bundle().dashboards))"
    )
    assert int(run([str(command.parent / "python"), "-c", script], tmp_path).stdout) >= 4
    done = subprocess.run(
        [str(command), "dashboards", "render"],
        cwd=tmp_path,
        env={"ELASTICSEARCH_URL": elasticsearch_url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "<h2>Executive overview</h2>" in (tmp_path / "anthropic-metrics.html").read_text("utf-8")


def test_it_needs_to_write_nothing_beside_itself(command: Path, tmp_path: Path) -> None:
    for path in sorted(command.parent.parent.rglob("__pycache__")):
        shutil.rmtree(path)
    run([str(command), "--help"], tmp_path, PYTHONDONTWRITEBYTECODE="1")
    (site,) = command.parent.parent.glob("lib/python*/site-packages")
    assert list((site / "anthropic_metrics").rglob("__pycache__")) == []
    assert list(tmp_path.iterdir()) == []
