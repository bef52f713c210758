"""A page in a headless Chromium, spoken to over Chromium's DevTools pipe: no port, no further package."""

from __future__ import annotations

import json
import math
import os
import select
import signal
import subprocess
import tempfile
import time
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from anthropic_metrics.errors import ConfigError
from tests.browser.chromium import CURE, Browser

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-pipe"),
)
PATIENCE = 120.0  # seconds for one answer
# Chromium reads commands from descriptor 3 and answers on 4.
PIPED = 'exec "$@" 3<&0 4>&1 </dev/null >&2'


class Window:
    """One page of a browser of its own. A context manager.

    What never answers is a TimeoutError, a browser that does not run here a ConfigError.
    """

    def __init__(self, browser: Browser, *, within: float = math.inf) -> None:
        """`within`: seconds for all answers together."""
        self._end = time.monotonic() + within
        self.errors: list[str] = []
        self._loaded = False
        self._number = 0
        self._unread = b""
        self._session: dict[str, str] = {}
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._path, self._said = browser.path, Path(self._profile.name) / "said"
        command = [str(browser.path), *FLAGS, f"--user-data-dir={self._profile.name}", "about:blank"]
        with self._said.open("wb") as said:
            self._process = subprocess.Popen(
                ["sh", "-c", PIPED, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=said,
                env={**os.environ, **browser.environ},
                start_new_session=True,
                bufsize=0,
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._commands, self._answers = self._process.stdin, self._process.stdout

    def __enter__(self) -> Self:
        try:
            self._attach()
        except BaseException:
            self.close()
            raise
        return self

    def _attach(self) -> None:
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._session = {"sessionId": session}
        self.call("Page.enable")
        self.call("Runtime.enable")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the browser."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # the group that it leads: its helpers too
        self._process.communicate()
        self._profile.cleanup()

    def open(self, page: Path, width: int, scheme: str) -> None:
        """Load a file in a window of that width, in the light or the dark scheme; `errors` begins anew."""
        self.errors.clear()
        self._loaded = False
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + PATIENCE
        while not self._loaded:
            self._read(deadline)

    def ask(self, script: str) -> Any:
        """The value of an expression, or of its promise."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        return answer["result"].get("value")

    def picture(self, width: int, height: int) -> bytes:
        """The page's upper left corner as a PNG."""
        area = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=area)
        return b64decode(shot["data"])

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """The result of a DevTools command."""
        self._number += 1
        command = {"id": self._number, "method": method, "params": params, **self._session}
        with suppress(BrokenPipeError):  # the answer's pipe has ended too, and says so
            self._commands.write(json.dumps(command).encode() + b"\0")
        deadline = time.monotonic() + PATIENCE
        while (answer := self._read(deadline)).get("id") != self._number:
            pass
        assert "error" not in answer, (method, answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    def _read(self, deadline: float) -> dict[str, Any]:
        """The next message; events are taken note of."""
        deadline = min(deadline, self._end)
        while b"\0" not in self._unread:
            if not select.select([self._answers], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise TimeoutError("the browser never answered")
            if not (more := self._answers.read(1 << 20)):
                said = self._said.read_text("utf-8", "replace").strip()[-400:]
                raise ConfigError(f"{self._path} does not run here: {said}", cure=f"{CURE}.")
            self._unread += more
        text, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        if message.get("method") == "Page.loadEventFired":
            self._loaded = True
        elif message.get("method") == "Runtime.exceptionThrown":
            details = message["params"]["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        return message
