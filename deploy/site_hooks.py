"""What mkdocs does beside docs/: the pages of the root, and links to files that are no page of the site."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
PAGES = {
    "README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
_LINK = re.compile(r"(!?\[[^\]\n]*\]\()([^)#\s]+)(#[^)\s]*)?(\))")
_FENCE = re.compile(r"^(```.*?^```)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the pages of the root, with their links as seen from docs/."""
    for source, target in PAGES.items():
        text = relinked((ROOT / source).read_text("utf-8"), "", config.repo_url)
        files.append(File.generated(config, target, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, **_: Any) -> str:
    """Links of a page in docs/ that leave the folder go to the root's page, or to the repository."""
    if page.file.src_uri in PAGES.values():
        return markdown
    return relinked(markdown, "docs", config.repo_url)


def relinked(markdown: str, folder: str, repository: str) -> str:
    """The text with each link to a file as the site needs it; raises FileNotFoundError for no file."""

    def link(found: re.Match[str]) -> str:
        before, target, anchor, after = found.groups(default="")
        if "://" in target or target.startswith("mailto:"):
            return found[0]
        path = posixpath.normpath(posixpath.join(folder, target))
        if path in PAGES:
            return f"{before}{PAGES[path]}{anchor}{after}"
        if not (ROOT / path).exists():
            raise FileNotFoundError(f"a link to {target}: there is no {path}")
        if path.startswith("docs/"):
            return f"{before}{path.removeprefix('docs/')}{anchor}{after}"
        return f"{before}{repository}/blob/main/{path}{anchor}{after}"

    parts = _FENCE.split(markdown)
    return "".join(part if part.startswith("```") else _LINK.sub(link, part) for part in parts)
