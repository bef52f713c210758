"""One step behind: what was prepared is written on another thread while the next is being prepared."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from types import TracebackType
from typing import Self


class BackgroundWriter:
    """Runs steps in order on a thread of its own, one at a time. A context manager: leaving it waits.

    A step runs in the context of whoever gave it, so that its lines of the log name the organization.

    `run` waits for the step before it, so that at most one is under way while the next is prepared.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="writer")
        self._step: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown()

    def run(self, step: Callable[[], None]) -> None:
        """Start a step. Raises what the step before it raised, and then starts nothing."""
        self.settle()
        self._step = self._thread.submit(copy_context().run, step)

    def then(self, step: Callable[[], None]) -> None:
        """Run a short step after the one under way, if that went well; at once where none is."""
        before = self._step
        if before is None:
            step()
            return

        def following() -> None:
            before.result()
            step()

        self._step = self._thread.submit(copy_context().run, following)

    def settle(self) -> None:
        """Wait until every step is done. Raises what the last one raised."""
        if self._step is not None:
            step, self._step = self._step, None
            step.result()
