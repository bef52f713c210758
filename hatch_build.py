"""The README as the package's description: its links lead into the repository from wherever it is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

_PAGES = "https://github.com/anthropic-metrics/anthropic-metrics/blob/main/"
_FILES = "https://raw.githubusercontent.com/anthropic-metrics/anthropic-metrics/main/"
_RELATIVE = re.compile(r"(!?)(\[[^\]]*\]\()(?![a-z]+:|#)([^)\s]+\))")


def absolute(markdown: str) -> str:
    """The text with each relative link as an address, of a picture's file where it is a picture."""
    return _RELATIVE.sub(lambda link: link[1] + link[2] + (_FILES if link[1] else _PAGES) + link[3], markdown)


class DescriptionHook(MetadataHookInterface):
    """Hatchling asks it for `readme`, which pyproject.toml calls dynamic."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text("utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text)}
