"""A server in a child process of Python: started, watched and ended from here.

The child's standard input is its tie to us: we write what to start, and it ends when the pipe closes, which the
system does for us if this process is killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path

from anthropic_metrics.errors import RetryLater

START_SECONDS = 180  # 6 s on an idle machine
STOP_SECONDS = 20
LAST_LINES = 15


@dataclass(frozen=True)
class Spec:
    """What a child is to start; travels as one line of JSON."""

    home: str
    config: str
    heap: str
    settings: dict[str, str]


class ServerProcess:
    """One child process that runs `python -m <module>` and serves HTTP on 127.0.0.1."""

    def __init__(self, module: str, spec: Spec, log: Path) -> None:
        self._module = module
        self._spec = spec
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> int:
        """Returns the HTTP port once the server answers there; RetryLater with the log's end if it does not."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", self._module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C on the terminal is ours to handle
            )
        port = self._ready_port()
        if port is None:
            self.kill()
            raise self._failure()
        return port

    def _ready_port(self) -> int | None:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        hurry = threading.Timer(START_SECONDS, process.kill)
        hurry.start()
        try:
            process.stdin.write(json.dumps(asdict(self._spec)).encode() + b"\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            return None
        except BaseException:
            self.kill()
            raise
        finally:
            hurry.cancel()
        return int(line.split()[1]) if line.startswith(b"ready ") else None

    def stop(self) -> None:
        """Lets the server close its files; kills it when that takes too long. Harmless when it is not running."""
        process = self._process
        if process is None:
            return
        assert process.stdin is not None
        try:
            process.stdin.close()
            process.wait(STOP_SECONDS)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            process.kill()
        self._reap()

    def kill(self) -> None:
        """Ends it at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._reap()

    def _reap(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        with process:  # closes the pipes and waits
            pass

    def _failure(self) -> RetryLater:
        lines = self._log.read_text("utf-8", errors="replace").splitlines()[-LAST_LINES:]
        ending = "\n".join(f"  {line}" for line in lines)
        return RetryLater(f"The embedded server did not start. Its log is {self._log} and ends with:\n{ending}")
