"""Holds what README.md shows of a command against what the command prints.

`README_OUTPUTS=write scripts/test ...` writes the present output into the page instead,
as many lines as it had.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "README.md"


def hold(command: str, printed: str) -> None:
    """Fail unless the block of `$ anthropic-metrics COMMAND` in the README begins as `printed` does."""
    text = PAGE.read_text("utf-8")
    head = f"```console\n$ anthropic-metrics {command}\n"
    found = re.search(re.escape(head) + r"(.*?)```", text, re.DOTALL)
    assert found, f"README.md has no block of {command}"
    shown = found[1].splitlines()
    wanted = [line.rstrip() for line in printed.splitlines()[: len(shown)]]
    if os.environ.get("README_OUTPUTS") == "write":
        body = "\n".join(wanted)
        PAGE.write_text(text.replace(found[0], f"{head}{body}\n```"), encoding="utf-8")
    else:
        assert shown == wanted, f"README.md is not what {command} prints; README_OUTPUTS=write renews it"
