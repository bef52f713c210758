"""Files that cannot be read, and files that would never end, are refused by name."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path

import pytest

from anthropic_metrics.config import load_config
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.secrets import Secret
from tests.harness.config_refusals import refusal


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("missing.yaml", "missing.yaml: cannot be read: No such file"),
        (".", r"\.: cannot be read: Is a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(path: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        load_config(Path(path), {})
    with pytest.raises(ConfigError, match=expected):
        load_config(None, {"ANTHROPIC_METRICS_CONFIG": path})


def test_a_file_that_is_no_text_is_named() -> None:
    path = Path("config.yaml")
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"config\.yaml: is not UTF-8 text"):
        load_config(path, {})


BOMBS = {
    "aliases": "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in pairwise("abcdefghi")),
    "brackets": "usage: " + "[" * 5000,
    "braces": "{a: " * 5000,
    "itself": "usage: &a {b: *a}",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_a_file_that_grows_without_end_is_refused_at_once(text: str) -> None:
    assert re.search(r"(deeper|longer) than a configuration can be|an alias refers to itself", refusal(text))


def test_only_a_regular_file_of_a_sensible_size_is_read(tmp_path: Path) -> None:
    pipe, large = tmp_path / "pipe.yaml", tmp_path / "large.yaml"
    os.mkfifo(pipe)
    with large.open("wb") as file:
        file.truncate(200_000_000)
    for path, why in ((pipe, "it is not a regular file"), (large, "it has more than 1,000,000 bytes")):
        with pytest.raises(ConfigError, match=f"{path.name}: cannot be read: {why}"):
            load_config(path, {})
        with pytest.raises(ConfigError, match=r"cannot read .*(regular file|more than 65,536 bytes)"):
            Secret("anthropic.admin_key_file", file=path).get()


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_a_file_of_authorities_that_cannot_be_used_is_named_with_its_variable(
    tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "missing.pem"
    if content:
        path.write_text(content, "utf-8")
    message = refusal("", {"SSL_CERT_FILE": str(path)})
    assert message.startswith(f"SSL_CERT_FILE: {path}: ")
