"""Elastic's CEL runtime as a process: what it takes from answers of the Admin API to bulk bodies.

Elastic's package for this API is a program for that runtime. The runtime, mito, is a public Go module; the
package is in no registry, so `cel/usage.cel` does the same with a page: each row becomes an event.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from bench.setting import NOW

SOURCE = Path(__file__).parent / "cel"
PROGRAM = SOURCE / "usage.cel"
PATH = "/v1/organizations/usage_report/messages"
PAGE = 24  # hours: what the API gives by default
TEXT = "%Y-%m-%dT%H:%M:%SZ"


class NotBuilt(Exception):
    """Why there is no program to run."""


@dataclass(frozen=True)
class Ran:
    """Rows that became events, microseconds of CPU for each, and the peak of memory in MB."""

    rows: int
    cpu: float
    peak: float


@contextmanager
def built() -> Iterator[Path]:
    """The program, built by Go. Raises NotBuilt."""
    with TemporaryDirectory() as folder:
        program = Path(folder) / "cel"
        try:
            subprocess.run(["go", "build", "-o", program, "."], cwd=SOURCE, check=True, capture_output=True)
        except FileNotFoundError:
            raise NotBuilt("Go is not installed") from None
        except subprocess.CalledProcessError as error:
            raise NotBuilt(f"go build: {error.stderr.decode().strip().splitlines()[-1]}") from None
        yield program


def run(program: Path, api: str, buckets: int) -> Ran:
    """Read so many hours of usage, a day in a page."""
    end = NOW.replace(minute=0, second=0)
    urls = []
    while buckets > 0:
        start = end - timedelta(hours=min(PAGE, buckets))
        asked = {"starting_at": f"{start:{TEXT}}", "ending_at": f"{end:{TEXT}}", "bucket_width": "1h"}
        urls.append(f"{api}{PATH}?{urlencode(asked)}")
        buckets, end = buckets - PAGE, start
    command: list[str | Path] = [program, PROGRAM]
    told = subprocess.run(command, input="\n".join(urls), check=True, stdout=subprocess.PIPE, text=True)
    rows, seconds, peak = told.stdout.split()
    return Ran(int(rows), float(seconds) / int(rows) * 1e6, float(peak))


def version() -> str:
    """Of mito."""
    line = next(line for line in (SOURCE / "go.mod").read_text("utf-8").splitlines() if "mito" in line)
    return line.split()[-1]
