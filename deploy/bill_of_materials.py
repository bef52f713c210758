"""What the image holds besides Python: sbom.json (CycloneDX 1.6) and licences.md, from the lock file.

`python -m deploy.bill_of_materials FOLDER`; licences are what the installed distributions say of themselves.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from anthropic_metrics import __version__

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements/runtime.txt"
# Classifiers that mean one SPDX licence; BSD License, for one, does not.
_SPDX = {
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}


@dataclass(frozen=True)
class Component:
    """A locked distribution.

    `licence` is an SPDX expression or the author's words; `marker` says on which platforms it is used.
    """

    name: str
    version: str
    licence: str
    marker: str

    @property
    def purl(self) -> str:
        return f"pkg:pypi/{re.sub('[-_.]+', '-', self.name).lower()}@{self.version}"


def components(lock: Path = LOCK) -> Iterator[Component]:
    """Every distribution of a lock file, in its order."""
    for entry in re.split(r"\n(?=[\w-])", lock.read_text("utf-8")):
        found = re.match(r"([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]+))?", entry)
        if found:
            marker = (found[3] or "").strip()
            yield Component(found[1], found[2], _licence(found[1]), marker)


def _licence(name: str) -> str:
    try:
        said = metadata(name)
    except PackageNotFoundError:
        return "not installed on this platform"
    if expressions := said.get_all("License-Expression"):
        return str(expressions[0])
    classified = [
        line.rsplit(" :: ", 1)[1] for line in said.get_all("Classifier") or () if line.startswith("License")
    ]
    classified = [_SPDX.get(name, name) for name in classified]
    named = "".join(said.get_all("License") or ()).strip()
    return " AND ".join(classified) or (named.splitlines()[0] if named else "unknown")


def _licences(said: str) -> list[dict[str, Any]]:
    """An SPDX expression as such, other words as a name."""
    spdx = re.fullmatch(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*", said)
    return [{"expression": said} if spdx else {"license": {"name": said}}]


def sbom(found: list[Component], made: datetime) -> dict[str, Any]:
    """A CycloneDX document."""
    name = "anthropic-metrics"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": made.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "component": {
                "type": "application",
                "bom-ref": name,
                "name": name,
                "version": __version__,
                "purl": f"pkg:pypi/{name}@{__version__}",
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            },
        },
        "components": [
            {
                "type": "library",
                "bom-ref": each.purl,
                "name": each.name,
                "version": each.version,
                "purl": each.purl,
                "licenses": _licences(each.licence),
            }
            for each in found
        ],
        "dependencies": [{"ref": name, "dependsOn": [each.purl for each in found]}],
    }


def table(found: list[Component]) -> str:
    """licences.md."""
    rows = [f"| {each.name} | {each.version} | {each.licence} | {each.marker} |" for each in found]
    return "\n".join(["| distribution | version | licence | only where |", "|---|---|---|---|", *rows, ""])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    everything = list(components())
    (folder / "sbom.json").write_text(
        json.dumps(sbom(everything, datetime.now(UTC)), indent=1) + "\n", encoding="utf-8"
    )
    (folder / "licences.md").write_text(table(everything), encoding="utf-8")
