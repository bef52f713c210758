"""Failing polls are what this is about: nobody wants to read of each."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import structlog

from anthropic_metrics import logs
from anthropic_metrics.elastic import reconcile


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    logs.configure("error", "json", io.StringIO())
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True, scope="module")
def few_are_many() -> Iterator[None]:
    """The windows here are small: they, too, are first compared by their hashes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reconcile, "MANY", 1)
        yield
