"""Which tests one worker runs: those of a file, and those of files that share a world or a server."""

from __future__ import annotations

from typing import Any

from xdist.scheduler import LoadFileScheduling

# By the fixture of a session that each worker would make for itself: files and folders that use it.
TOGETHER = {
    "filled": ("tests/e2e/dashboards/", "tests/e2e/traces/test_requests_dashboard.py"),
    "two": ("tests/e2e/organizations/",),
    "processors_url": ("tests/e2e/install/test_embedded.py", "tests/e2e/setup/test_pipelines.py"),
}


def scope(nodeid: str) -> str:
    """What a worker takes as a whole: the fixture that is shared, or the file."""
    file = nodeid.partition("::")[0]
    return next((name for name, places in TOGETHER.items() if file.startswith(places)), file)


def together(config: Any, log: Any) -> Any:
    """xdist's scheduler of files, with these scopes."""
    scheduler = LoadFileScheduling(config, log)
    scheduler._split_scope = scope
    return scheduler
