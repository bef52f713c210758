"""A file that is written whole or not at all."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from anthropic_metrics.errors import ConfigError, not_written


def check_target(path: Path, *, overwrite: bool) -> None:
    """ConfigError where the file could not be written: it exists, or its folder is none or closed to us."""
    try:
        is_folder, exists, has_folder = path.is_dir(), path.exists(), path.parent.is_dir()
    except OSError as error:  # a name that is too long, a folder that is closed to us
        raise ConfigError(f"--output: {path} cannot be written: {error.strerror or error}") from None
    if is_folder:
        raise ConfigError(f"--output: {path} is a folder; name a file in it")
    if exists and not overwrite:
        raise ConfigError(f"--output: {path} exists; --overwrite replaces it")
    if not has_folder:
        raise ConfigError(f"--output: {path} lies in a folder that does not exist")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise ConfigError(f"--output: {path} lies in a folder that cannot be written to")


def save(path: Path, content: bytes, *, overwrite: bool) -> None:
    """Write beside the target, then rename: a reader sees the old file or the whole new one.

    Raises ConfigError, or RetryLater for a full disk, and leaves nothing behind, where that is not possible.
    """
    check_target(path, overwrite=overwrite)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        raise not_written(f"--output: {path}", error) from None
    finally:
        with suppress(OSError):
            partial.unlink()
