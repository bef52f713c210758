"""What a user is told about a configuration that is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from anthropic_metrics.config import load_config
from anthropic_metrics.errors import ConfigError

KEY = "sk-ant-admin01-0123456789abcdef"


def refusal(text: str, environ: dict[str, str] | None = None) -> str:
    path = Path("config.yaml")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ or {})
    return str(caught.value)
