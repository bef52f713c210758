"""Locks of the embedded server's folder, on file systems that are not local disks."""

from __future__ import annotations

import errno
import fcntl
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import pytest

from anthropic_metrics.embedded.sharing import end_lock, run_lock, use_lock

LOCKS = [run_lock, use_lock, end_lock]


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_the_file_system_has_no_locks_every_lock_is_granted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lock: Callable[[Path, ExitStack], bool], code: int
) -> None:
    def refuse(_file: TextIO, _how: int) -> None:
        raise OSError(code, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with ExitStack() as held:
        assert lock(tmp_path, held)


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_is_of_a_file_that_may_be_read_and_written_as_nfs_demands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lock: Callable[[Path, ExitStack], bool]
) -> None:
    def as_nfs(file: TextIO, how: int) -> None:
        if not (file.readable() if how & fcntl.LOCK_SH else file.writable()):
            raise OSError(errno.EBADF, "Bad file descriptor")

    monkeypatch.setattr(fcntl, "flock", as_nfs)
    with ExitStack() as held:
        assert lock(tmp_path, held)
