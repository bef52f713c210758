"""Locks by which commands share one server over one folder: one command runs it, others use it.

The system gives them up when a process ends, however it ends. Windows and some network file systems have
none: there, every lock is granted.
"""

from __future__ import annotations

import errno
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

from anthropic_metrics.embedded.artifacts import not_writable

_NO_LOCKS = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS)


def run_lock(folder: Path, held: ExitStack) -> bool:
    """Whether this command may run the server from now on, until `held` is closed: no other starts, runs or
    ends one."""
    return _locked(folder / "embedded.lock", held, shared=False)


def use_lock(folder: Path, held: ExitStack) -> bool:
    """Whether the server stays until `held` is closed, for this command and others."""
    return _locked(folder / "embedded.users", held, shared=True)


def end_lock(folder: Path, held: ExitStack) -> bool:
    """Whether the server may end: no command uses it, and none begins to until `held` is closed."""
    return _locked(folder / "embedded.users", held, shared=False)


def _locked(path: Path, held: ExitStack, *, shared: bool) -> bool:
    """Raises ConfigError or RetryLater where the folder cannot be written to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")  # NFS grants a shared lock only of a file that may be read
    except OSError as error:
        raise not_writable(path.parent, error) from error
    if _flock(file, shared=shared):
        held.enter_context(file)
        return True
    file.close()
    return False


def _flock(file: TextIO, *, shared: bool) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True
