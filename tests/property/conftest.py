"""Thousands of failing polls are normal here: nobody wants to read about them."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import structlog

from anthropic_metrics import logs


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    logs.configure("error", "json", io.StringIO())
    yield
    structlog.reset_defaults()
