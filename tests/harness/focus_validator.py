"""The official FOCUS validator, in an environment of its own: it needs Python 3.12 and older libraries.

Fetched once into the cache. Its exit code says nothing, so its result file is read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from anthropic_metrics.embedded import cache_dir
from anthropic_metrics.errors import ConfigError, RetryLater

PACKAGES = ("focus-validator==2.2.1", "pyarrow<20")
CRITERIA = (
    "ACCOUNT_NAMING_SUPPORTED",
    "PUBLIC_PRICE_LIST_SUPPORTED",
    "USAGE_MEASUREMENT_SUPPORTED",
    "UNIT_PRICING_SUPPORTED",
    "SUB_ACCOUNT_SUPPORTED",
    "TAGGING_SUPPORTED",
    "NEGOTIATED_PRICING_SUPPORTED",
)
# No file can pass it: empty, it must not be null; filled, it must be.
CANNOT_PASS = {"InvoiceId-C-005-C"}
NEEDED = "3.12"


def violations(file: Path, environ: dict[str, str]) -> tuple[set[str], int]:
    """The rules of FOCUS 1.2 that the file breaks, and how many were checked."""
    home = installed(environ)
    packages = next(home.glob("lib/python*/site-packages"))
    result = file.with_suffix(".xml")
    command: list[str | Path] = [home / "bin/focus-validator", "--data-file", file.absolute()]
    command += ["--validate-version", "1.2", "--block-download", "--output-type", "unittest"]
    command += ["--output-destination", result.absolute(), "--applicability-criteria", ",".join(CRITERIA)]
    # It reads a file of its own by a relative path.
    done = subprocess.run(command, cwd=packages, env=environ, capture_output=True, text=True, check=False)
    if not result.exists():
        raise RetryLater(f"The validator made no result: {done.stderr[-400:]}")
    suites = ElementTree.parse(result).getroot()
    broken = {str(each.get("name")) for each in suites.iter("failure")}
    return broken, int(suites.get("tests", 0)) - int(suites.get("skipped", 0))


def installed(environ: dict[str, str]) -> Path:
    """Its environment in the cache, whole or not at all."""
    home = cache_dir() / "focus-validator-2.2.1"
    if home.is_dir():
        return home
    python = next(_pythons(environ), None)
    if python is None:
        raise ConfigError(f"The FOCUS validator needs Python {NEEDED}.", cure=f"Put python{NEEDED} on PATH.")
    partial = home.with_name(f"{home.name}.{os.getpid()}")
    partial.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([python, "-m", "venv", partial], env=environ, check=True, capture_output=True)
        done = subprocess.run(
            [*_installer(partial / "bin/python", environ), "install", "--quiet", *PACKAGES],
            env={**environ, "VIRTUAL_ENV": str(partial)},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RetryLater(f"The FOCUS validator could not be had: {done.stderr[-400:]}")
        # Scripts of an environment name its place.
        partial.rename(home)
        _point_to(home, partial)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return home


def _installer(python: Path, environ: dict[str, str]) -> list[str | Path]:
    """uv if it is there: it takes a fraction of pip's time."""
    uv = shutil.which("uv", path=environ.get("PATH", ""))
    return [uv, "pip"] if uv else [python, "-m", "pip"]


def _point_to(home: Path, before: Path) -> None:
    script = home / "bin/focus-validator"
    script.write_text(script.read_text("utf-8").replace(str(before), str(home)), "utf-8")


def _pythons(environ: dict[str, str]) -> Iterator[Path]:
    """Where Python 3.12 may be: on PATH, or among pyenv's."""
    if found := shutil.which(f"python{NEEDED}", path=environ.get("PATH", "")):
        done = subprocess.run([found, "-c", "1"], env=environ, capture_output=True, check=False)
        if not done.returncode:
            yield Path(found)
    root = Path(environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(root.glob(f"versions/{NEEDED}.*/bin/python"), reverse=True)
