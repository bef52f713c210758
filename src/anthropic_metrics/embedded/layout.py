"""The folder a server starts from ("home"): the distribution unpacked, with the modules put in.

A home is built beside its place and renamed into it, so one that exists is whole. Its name carries the
version and the revision of this layout: a newer agent never starts an older agent's home.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from anthropic_metrics.embedded.artifacts import (
    DAMAGED,
    DISTRIBUTION,
    MODULES,
    VERSION,
    Fetcher,
    Progress,
    check_owner,
    not_to_be_had,
    not_writable,
    scratch_folder,
)

REVISION = 1  # to be raised when what is put into a home changes

# The apm module needs a Java agent, which only the launcher script (in bin) sets up.
LEFT_OUT = ("bin", "jdk", "modules/apm")


def home_dir(cache: Path) -> Path:
    return cache / f"elasticsearch-{VERSION}-{REVISION}"


def elasticsearch_home(cache: Path, progress: Progress | None = None) -> Path:
    """The home of the embedded Elasticsearch; downloaded and built if it is not there.

    RetryLater when an artifact cannot be downloaded; ConfigError when a package is missing, or the folder
    cannot be written or belongs to somebody else.
    """

    def build(folder: Path) -> None:
        with Fetcher(cache, progress) as fetcher:
            files = fetcher.get_all([DISTRIBUTION, *(jar for jars in MODULES.values() for jar in jars)])
        unpack(files[DISTRIBUTION], folder, progress)
        for name, jars in MODULES.items():
            _add_module(folder / "modules" / name, [files[jar] for jar in jars])
        for descriptor in folder.glob("modules/*/plugin-descriptor.properties"):
            descriptor.write_text(_adapted(descriptor.read_text("utf-8")), "utf-8")

    home = build_once(home_dir(cache), build)
    for folder in (cache, home):
        check_owner(folder)
    return home


def build_once(home: Path, build: Callable[[Path], None]) -> Path:
    """Has `build` fill an empty folder that becomes `home`, unless it is there; two builders do no harm."""
    if home.is_dir():
        return home
    try:
        home.parent.mkdir(parents=True, exist_ok=True)
        scratch = scratch_folder(home.parent, f".{home.name}-")
    except OSError as error:
        raise not_writable(home.parent, error) from error
    try:
        build(scratch)
        scratch.chmod(0o755)
        scratch.rename(home)
    except OSError as error:
        if not home.is_dir():  # else somebody was faster, and theirs is as good
            raise not_writable(home.parent, error) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return home


def unpack(archive: Path, folder: Path, progress: Progress | None = None) -> None:
    """Unpacks what a server needs, without the archive's outer folder."""
    try:
        with zipfile.ZipFile(archive) as files:
            members = [member for member in files.infolist() if not member.is_dir()]
            for done, member in enumerate(members, 1):
                _unpack_one(files, member, folder)
                if progress:
                    progress(f"unpacking {archive.name}", done, len(members))
    except DAMAGED as error:
        raise not_to_be_had(archive.name, f"{archive} is damaged ({error}), delete it") from error


def _unpack_one(files: zipfile.ZipFile, member: zipfile.ZipInfo, folder: Path) -> None:
    inner = Path(*Path(member.filename).parts[1:])
    if any(inner.is_relative_to(left) for left in LEFT_OUT):
        return
    target = folder / inner
    target.parent.mkdir(parents=True, exist_ok=True)
    with files.open(member) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)


def _add_module(folder: Path, jars: list[Path]) -> None:
    folder.mkdir()
    for jar in jars:
        shutil.copy(jar, folder / jar.name)
    with zipfile.ZipFile(jars[0]) as main:
        inside = main.read(f"META-INF/es-plugins/{folder.name}/plugin-descriptor.properties")
    (folder / "plugin-descriptor.properties").write_bytes(inside)


def _adapted(descriptor: str) -> str:
    """Without Java module names (all is loaded from the class path) and without unpublished modules."""
    lines = (line for line in descriptor.splitlines() if not line.startswith(("#", "modulename=")))
    adapted = [line.replace(",lang-painless,x-pack-ml", "") for line in lines if line]
    return "\n".join(adapted) + "\n"
