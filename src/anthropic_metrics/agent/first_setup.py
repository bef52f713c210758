"""Templates and pipelines stand before the first document."""

from __future__ import annotations

import threading

from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.errors import MetricsError


class FirstSetup:
    """Sets them up with the first call that succeeds. Thread-safe.

    Calls that waited for one that failed fail with it: a dozen jobs that each wait for a frozen server, one
    after the other, would say for minutes that nothing has succeeded, and not why.
    """

    def __init__(self, es: Client, config: Config) -> None:
        self._es = es
        self._config = config
        self._lock = threading.Lock()
        self._failure: MetricsError | None = None
        self.is_done = False

    def __call__(self) -> None:
        """Raises what `elastic.setup.ensure` raises."""
        before = self._failure
        with self._lock:
            if self.is_done:
                return
            if self._failure is not None and self._failure is not before:
                raise self._failure
            try:
                ensure(self._es, self._config)
            except MetricsError as error:
                self._failure = error
                raise
            self.is_done = True
