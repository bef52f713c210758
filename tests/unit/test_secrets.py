"""Where keys come from, and that they can be rotated in place."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from anthropic_metrics import files, logs
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.redaction import redact
from anthropic_metrics.secrets import Secret

KEY = "anthropic.admin_key_file"


def test_a_value_is_given_and_never_changes() -> None:
    secret = Secret("anthropic.admin_key", value="first-secret")
    assert secret.get() == "first-secret"
    assert not secret.reload(secret.version)


def test_a_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("first-secret\r\n")
    assert Secret(KEY, file=tmp_path / "key").get() == "first-secret"


def test_a_file_is_read_again_only_when_asked(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("first-secret\n")
    secret = Secret(KEY, file=file)
    assert secret.get() == "first-secret"
    assert not secret.reload(secret.version)
    file.write_text("second-secret\n")
    assert secret.get() == "first-secret"
    assert secret.reload(secret.version)
    assert secret.get() == "second-secret"
    assert not secret.reload(secret.version)


def test_a_rotation_that_another_thread_has_read_already_is_one_for_whoever_was_refused_before(
    tmp_path: Path,
) -> None:
    file = tmp_path / "key"
    file.write_text("first-secret\n")
    secret = Secret(KEY, file=file)
    first, second = secret.version, secret.version
    assert secret.get() == "first-secret"
    file.write_text("second-secret\n")
    assert secret.reload(first)
    assert secret.reload(second), "its request was refused with the first secret too"
    assert not secret.reload(secret.version)
    file.unlink()
    assert secret.reload(second), "the second secret is known, whatever the file is now"


def test_a_thread_that_read_the_file_before_a_rotation_does_not_put_the_old_secret_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text("first-secret")
    secret, read = Secret(KEY, file=file), files.read_text
    used = secret.version
    assert secret.get() == "first-secret"
    others: list[threading.Thread] = []

    def rotated_meanwhile(*asked: Any) -> str:
        """The file changes right after it was read, and another thread is refused then."""
        text = read(*asked)
        if not others:
            file.write_text("second-secret")
            others.append(threading.Thread(target=secret.reload, args=(used,)))
            others[0].start()
            if not secret._lock.locked():
                others[0].join()
        return text

    monkeypatch.setattr(files, "read_text", rotated_meanwhile)
    secret.reload(used)
    others[0].join()
    assert secret.get() == "second-secret"


def test_a_request_that_is_refused_is_sent_once_more_if_the_file_holds_another_secret(
    tmp_path: Path,
) -> None:
    output = io.StringIO()
    logs.configure("info", "json", output)
    file = tmp_path / "key"
    file.write_text("first-secret")
    secret = Secret(KEY, file=file)
    sent: list[str] = []

    def send() -> str:
        sent.append(secret.get())
        return sent[-1]

    assert secret.present(send, lambda answer: True) == "first-secret"
    assert sent == ["first-secret"], "the file holds no other"
    file.write_text("second-secret")
    assert secret.present(send, lambda answer: False) == "first-secret"
    assert secret.present(send, lambda answer: True) == "second-secret"
    assert sent[2:] == ["first-secret", "second-secret"]
    (line,) = map(json.loads, output.getvalue().splitlines())
    assert (line["message"], line["key"]) == ("secret_reloaded", KEY)


@pytest.mark.parametrize("damage", ["gone", "empty"])
def test_a_rotation_half_done_keeps_the_old_secret_and_says_so(tmp_path: Path, damage: str) -> None:
    stream = io.StringIO()
    logs.configure("info", "json", stream)
    file = tmp_path / "key"
    file.write_text("first-secret")
    secret = Secret(KEY, file=file)
    secret.get()
    if damage == "gone":
        file.unlink()
    else:
        file.write_text("")
    assert not secret.reload(secret.version)
    assert secret.get() == "first-secret"
    line = json.loads(stream.getvalue())
    assert (line["message"], line["key"]) == ("secret_file_unreadable", KEY)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot read .*: No such file"),
        (b"", "must hold the secret and nothing else"),
        (b"one\ntwo", "must hold the secret and nothing else"),
        (b"one two", "must hold the secret and nothing else"),
        ("schlüssel".encode(), "must hold the secret and nothing else"),
        (b"'two'", "the secret in .* has quotes around it; leave them out"),
        (b"\xff\xfe", "is not text in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_the_secret_is_named(
    tmp_path: Path, content: bytes | None, reason: str
) -> None:
    file = tmp_path / "key"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"anthropic\.admin_key_file: .*{reason}") as caught:
        Secret(KEY, file=file).get()
    assert "two" not in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbfsecret\r\n")
    assert Secret(KEY, file=tmp_path / "key").get() == "secret"


def test_a_password_may_hold_spaces_and_any_letter(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("süß und lang\n")
    secret = Secret("elasticsearch.password_file", file=tmp_path / "password", username="agent")
    assert secret.get() == "süß und lang"


def test_a_secret_shows_nothing_of_itself(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("first-secret")
    secret = Secret(KEY, file=tmp_path / "key")
    secret.get()
    assert repr(secret) == f"{secret}" == "Secret('anthropic.admin_key_file')"


def test_every_secret_that_is_read_is_hidden_from_then_on(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text("rotated-one")
    secret = Secret(KEY, file=file)
    secret.get()
    file.write_text("rotated-two")
    secret.reload(secret.version)
    Secret("elasticsearch.password", value="pass-word-three", username="agent")
    # The last is base64 of "agent:pass-word-three".
    shown = redact.scrub("rotated-one rotated-two pass-word-three YWdlbnQ6cGFzcy13b3JkLXRocmVl")
    assert shown == " ".join([redact.MARK] * 4)
