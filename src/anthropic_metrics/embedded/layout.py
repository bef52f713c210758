"""The folder a server starts from ("home"): the distribution unpacked, with the modules put in.

A home is built beside its place and renamed into it, so one that exists is whole. Its name carries the version and
the revision of this layout: a newer agent never starts an older agent's home.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from anthropic_metrics.embedded.artifacts import DISTRIBUTION, MODULES, VERSION, Fetcher, Progress, fetch

REVISION = 1  # raise it when what is put into a home changes
LEFT_OUT = ("bin", "jdk", "modules/apm")  # the apm module wants a Java agent, which only the launcher script sets up


def home_dir(cache: Path) -> Path:
    return cache / f"elasticsearch-{VERSION}-{REVISION}"


def build_once(home: Path, build: Callable[[Path], None]) -> Path:
    """Calls `build` with an empty folder unless `home` is there; two builders at once do no harm."""
    if home.is_dir():
        return home
    home.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{home.name}-", dir=home.parent))
    try:
        build(scratch)
        scratch.chmod(0o755)
        if not home.is_dir():
            os.replace(scratch, home)
    except OSError:
        if not home.is_dir():  # else somebody was faster, and theirs is as good
            raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return home


def elasticsearch_home(cache: Path, progress: Progress | None = None) -> Path:
    """The home of the embedded Elasticsearch; downloads and builds it if it is not there.

    Raises RetryLater when an artifact cannot be downloaded, ConfigError when a package or the folder is missing.
    """

    def build(folder: Path) -> None:
        with Fetcher(cache, progress) as fetcher:
            wanted = [DISTRIBUTION, *(jar for jars in MODULES.values() for jar in jars)]
            files = fetch(wanted, fetcher)
        unpack(files[DISTRIBUTION], folder, progress)
        for name, jars in MODULES.items():
            _add_module(folder / "modules" / name, [files[jar] for jar in jars])
        for descriptor in folder.glob("modules/*/plugin-descriptor.properties"):
            descriptor.write_text(_adapted(descriptor.read_text("utf-8")), "utf-8")

    return build_once(home_dir(cache), build)


def unpack(archive: Path, folder: Path, progress: Progress | None = None) -> None:
    """Unpacks what a server needs, without the archive's first folder; a damaged archive raises BadZipFile."""
    with zipfile.ZipFile(archive) as files:
        members = [member for member in files.infolist() if not member.is_dir()]
        for done, member in enumerate(members, 1):
            inner = Path(*Path(member.filename).parts[1:])
            if not any(inner.is_relative_to(left) for left in LEFT_OUT):
                target = folder / inner
                target.parent.mkdir(parents=True, exist_ok=True)
                with files.open(member) as source, target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)
            if progress:
                progress(f"unpacking {archive.name}", done, len(members))


def _add_module(folder: Path, jars: list[Path]) -> None:
    folder.mkdir()
    for jar in jars:
        shutil.copy(jar, folder / jar.name)
    inside = f"META-INF/es-plugins/{folder.name}/plugin-descriptor.properties"
    with zipfile.ZipFile(jars[0]) as main:
        (folder / "plugin-descriptor.properties").write_bytes(main.read(inside))


def _adapted(descriptor: str) -> str:
    """Without Java module names (everything is loaded from the class path) and without unpublished modules."""
    kept = (line for line in descriptor.splitlines() if line and not line.startswith(("#", "modulename=")))
    lines = [line.replace(",lang-painless,x-pack-ml", "") for line in kept]
    return "\n".join(lines) + "\n"
