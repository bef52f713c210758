"""helm and promtool for the checks of deploy/: fetched once into a cache folder, not into the repository."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"


class Missing(Exception):
    """A tool is not here and cannot be fetched; says what to install."""


def helm() -> Path:
    """The pinned helm, built from the Go module proxy the first time (minutes); else one on the PATH."""
    built = cache() / "helm-v3.22.0"
    with _alone():
        if not built.exists() and (go := shutil.which("go")):
            environ = {**os.environ, "GOBIN": str(cache() / "building"), "GOFLAGS": "-trimpath"}
            subprocess.run([go, "install", HELM], env=environ, capture_output=True, check=False)
            if (made := cache() / "building/helm").exists():
                made.rename(built)
    found = built if built.exists() else shutil.which("helm")
    if not found:
        raise Missing("helm is missing: install Go 1.25 or newer (it builds helm), or put helm 3 on the PATH")
    return Path(found)


def promtool() -> Path:
    """promtool from the PATH; else out of Debian's package, which is unpacked, not installed."""
    if found := shutil.which("promtool"):
        return Path(found)
    unpacked = cache() / "prometheus/usr/bin/promtool"
    with _alone():
        if not unpacked.exists() and shutil.which("apt-get") and shutil.which("dpkg-deb"):
            _unpack("prometheus", cache() / "prometheus")
    if not unpacked.exists():
        raise Missing(
            "promtool is missing: install Prometheus, whose packages bring it, or put it on the PATH"
        )
    return unpacked


def _unpack(package: str, into: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for update in (False, True):
            if update:  # The list of packages may be older than the archive.
                subprocess.run(["apt-get", "--quiet", "update"], capture_output=True, check=False)
            fetched = ["apt-get", "--quiet", "download", package]
            subprocess.run(fetched, cwd=folder, capture_output=True, check=False)
            for found in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg-deb", "--extract", str(found), str(into)], check=True)
                return


def cache() -> Path:
    """Where the tools stay: XDG_CACHE_HOME or ~/.cache, below anthropic-metrics/tools."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "anthropic-metrics/tools"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _alone() -> Iterator[None]:
    """One process at a time fetches."""
    with (cache() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
