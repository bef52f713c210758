"""A secret in any place of the configuration, right or wrong, stands in no message."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from anthropic_metrics.config import load_config
from anthropic_metrics.config.origins import PLAIN_VARIABLES, variable_name
from anthropic_metrics.config.problems import KEYS, Key
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.redaction import Redaction, redact

ENCODED = "VnVhQ2ZHY0JDZGJrUW0tZTVhT3g6dWkybHAyYXhUTm1zeWFrdzl0dk5udw=="
# Each secret as it is given, and the part of it that must not be seen.
SECRETS = {
    "admin key": ("sk-ant-admin01-QWxhZGRpbjpvcGVuIHNlc2FtZQ", "QWxhZGRp"),
    "encoded key": (ENCODED, ENCODED[:16]),
    "encoded key with a slash": ("aB3/dE5+fG7/hI9/jK1lM3nO5pQ7==", "fG7"),
    "password in a URL": ("https://elastic:pa/ss-w0rd@h", "ss-w0rd"),
    "password in a URL with a port": ("https://elastic:pass-w0rd@es:9200", "pass-w0rd"),
    "password with an at sign": ("https://elastic:p@ss-w0rd@es:9200", "ss-w0rd"),
    "webhook": ("https://hooks.slack.com/services/T0001/B0001/hook-Part0001", "Part0001"),
    "webhook elsewhere": ("https://chat.example.com/hooks/Zx81hook0Part", "hook0Part"),
    "webhook with a token": ("http://h:8065/alert?token=tok3n-part", "tok3n"),
    "password of words": ("correct horse battery 7", "horse"),
    "password of letters and digits": ("hunter2-hunter2", "hunter2"),
    "hexadecimal token": ("9f86d081884c7d659a2feaa0c55ad015", "9f86d081"),
    "token of a bearer": ("Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln", "eyJhbGci"),
}


def said(text: str, environ: Mapping[str, str] | None = None) -> str:
    """All that loading and using a configuration says in a process that knows no secret yet."""
    vars(redact).update(vars(Redaction()))
    path = Path("config.yaml")
    path.write_text(text, encoding="utf-8")
    try:
        config = load_config(path, environ or {})
    except ConfigError as error:
        return str(error)
    messages = [*config.cautions()]
    for require in (config.require_admin_key, config.require_elasticsearch, config.kibana.secret):
        try:
            require()
        except ConfigError as error:
            messages.append(str(error))
    return "\n".join(messages)


def nested(key: Key, value: Any) -> str:
    for name in reversed(key):
        value = {name: value}
    return json.dumps(value)


def places(secret: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The secret as every key's value, alone, in a list, as a name, in a mapping; in the file and outside."""
    for key in KEYS:
        for value in (secret, [secret], {secret: 1}, {"x": secret}):
            yield nested(key, value), {}
        yield "", {variable_name(key): secret}
        yield "", {f"{variable_name(key)}X": secret}
        yield nested((*key[:-1], secret), 1), {}
    yield json.dumps(secret), {}
    yield json.dumps([secret]), {}
    yield f"usage: {secret}", {}
    yield f"usage:\n  {secret}\n interval: 5m", {}
    yield f"usage: {{interval: '${{{secret}}}'}}", {}
    yield "usage: {interval: '${SOME}'}", {"SOME": secret}
    for name in PLAIN_VARIABLES:
        yield "", {name: secret}
    for name in ("HTTPS_PROXY", "http_proxy", "ALL_PROXY"):
        yield "", {name: secret}


@pytest.mark.parametrize(("secret", "part"), SECRETS.values(), ids=SECRETS)
def test_no_message_quotes_a_secret_wherever_it_stands(secret: str, part: str) -> None:
    for text, environ in places(secret):
        message = said(text, environ)
        assert part not in message, (text, environ, message)


@pytest.mark.parametrize(
    "proxy",
    ["http://user:pa/ss-w0rd@proxy:3128", "http://user:ss-w0rd@proxy:99999", "socks5://user:ss-w0rd@proxy"],
)
def test_a_proxy_that_cannot_be_used_is_named_without_its_password(proxy: str) -> None:
    message = said("", {"HTTPS_PROXY": proxy})
    assert message.startswith("HTTPS_PROXY: ")
    assert "ss-w0rd" not in message


def test_the_file_that_a_key_names_is_quoted_only_where_it_is_no_key() -> None:
    assert "/etc/keys/admin.key" in said("anthropic: {admin_key_file: /etc/keys/admin.key}")
    assert "the file that it names" in said("anthropic: {admin_key_file: aB3dE5fG7hI9jK1lM3nO5pQ7}")
