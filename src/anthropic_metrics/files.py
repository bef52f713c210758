"""Files that a user names: read only if they are regular files of a sensible size."""

from __future__ import annotations

import os
import stat
from pathlib import Path

CONFIGURATION = 1_000_000  # bytes; hundreds of times the longest example
SECRET = 65_536


def read_text(path: Path, most: int) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    OSError where it cannot be read, is no regular file (a pipe would block) or has more than `most`
    bytes; UnicodeDecodeError where it is not UTF-8.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(kind):
            raise OSError(None, "Is a directory")
        if not stat.S_ISREG(kind):
            raise OSError(None, "it is not a regular file")
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(None, f"it has more than {most:,} bytes")
    return content.decode("utf-8-sig")
