"""What the image holds besides Python: sbom.json (CycloneDX 1.6) and licences.md, from the lock file.

`python -m deploy.bill_of_materials FOLDER`; licences are what the installed distributions say of themselves.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from anthropic_metrics import __version__

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements/runtime.txt"


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
    named = "".join(said.get_all("License") or ()).strip()
    return " AND ".join(classified) or (named.splitlines()[0] if named else "unknown")


def sbom(found: list[Component]) -> dict[str, Any]:
    """A CycloneDX document."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": "anthropic-metrics",
                "name": "anthropic-metrics",
                "version": __version__,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": [
            {
                "type": "library",
                "bom-ref": each.purl,
                "name": each.name,
                "version": each.version,
                "purl": each.purl,
                "licenses": [{"license": {"name": each.licence}}],
            }
            for each in found
        ],
        "dependencies": [{"ref": "anthropic-metrics", "dependsOn": [each.purl for each in found]}],
    }


def table(found: list[Component]) -> str:
    """licences.md."""
    rows = [f"| {each.name} | {each.version} | {each.licence} | {each.marker} |" for each in found]
    return "\n".join(["| distribution | version | licence | only where |", "|---|---|---|---|", *rows, ""])


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    everything = list(components())
    (folder / "sbom.json").write_text(json.dumps(sbom(everything), indent=1) + "\n", encoding="utf-8")
    (folder / "licences.md").write_text(table(everything), encoding="utf-8")
