"""A server in a child process of Python: started, watched and ended from here.

The child's standard input is its tie to us: we write what to start, and it ends when the pipe closes, which
the system does for us if this process is killed.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from anthropic_metrics.errors import RetryLater

START_SECONDS = 180  # takes 5 s on an idle machine
STOP_SECONDS = 8  # the agent itself has 10 s to end
LAST_LINES = 12


# What a child needs of the environment. The rest stays here, keys among it.
_NEEDED = frozenset(
    [
        "PATH",
        "HOME",
        "LANG",
        "LANGUAGE",
        "TMPDIR",
        "TEMP",
        "TMP",
        "SYSTEMROOT",
        "PYTHONPATH",
        "PYTHONHOME",
        "LD_LIBRARY_PATH",
        "JAVA_TOOL_OPTIONS",
    ]
)


@dataclass(frozen=True)
class Spec:
    """What a child is to start; travels as one line of JSON. `brief`: for minutes, not for days."""

    home: str
    config: str
    heap: str
    settings: Mapping[str, str]
    brief: bool = False


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name in _NEEDED or name.startswith("LC_")}


class ServerProcess:
    """One child process that runs `command`, which calls `child.serve`, and answers HTTP on 127.0.0.1."""

    def __init__(self, command: Sequence[str], spec: Spec, log: Path) -> None:
        self._command = command
        self._spec = spec
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """None when it is not running."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> int:
        """The HTTP port, once the server answers there; RetryLater with the end of its log if it does not."""
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter and module
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C on the terminal is ours to handle
                env=_environment(),
            )
        try:
            line = self._first_line(self._process)
        except BaseException:
            self.kill()
            raise
        if not line.startswith(b"ready "):
            self.kill()
            raise self._failure()
        return int(line.split()[1])

    def _first_line(self, process: subprocess.Popen[bytes]) -> bytes:
        assert process.stdin is not None
        assert process.stdout is not None
        too_long = threading.Timer(START_SECONDS, process.kill)
        too_long.start()
        try:
            process.stdin.write(json.dumps(asdict(self._spec)).encode() + b"\n")
            process.stdin.flush()
            return process.stdout.readline()
        except BrokenPipeError:  # it ended before it read what to start
            return b""
        finally:
            too_long.cancel()

    def stop(self) -> None:
        """Lets the server close its files; kills it if that takes too long. Harmless when it does not run."""
        process = self._process
        if process is None:
            return
        _close(process)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
        self._forget(process)

    def kill(self) -> None:
        """Ends it at once, as a power cut would. Harmless when it does not run."""
        if self._process is not None:
            self._process.kill()
            self._forget(self._process)

    def _forget(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        self._process = None
        _close(process)
        if process.stdout is not None:
            process.stdout.close()

    def _failure(self) -> RetryLater:
        lines = self._log.read_text("utf-8", errors="replace").splitlines()
        if any("failed to obtain node locks" in line for line in lines):
            return RetryLater(
                f"The embedded server did not start: another one uses its data (its log is {self._log}).",
                cure="End the command that runs it, or wait until it has ended, then try again.",
            )
        telling = [line for line in lines if not line.lstrip().startswith(("at ", "... "))][-LAST_LINES:]
        ending = "".join(f"\n  {line}" for line in telling)
        return RetryLater(f"The embedded server did not start. Its log is {self._log} and ends with:{ending}")


def _close(process: subprocess.Popen[bytes]) -> None:
    """Close the child's standard input. One that ended early leaves a line there that nobody reads."""
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
