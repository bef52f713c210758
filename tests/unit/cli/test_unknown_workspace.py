"""A workspace that is not in the data is never an empty answer."""

from __future__ import annotations

import pytest

from anthropic_metrics.cli.common import check_workspace
from anthropic_metrics.errors import ConfigError

KNOWN = {"wrkspc_1": "Production", "wrkspc_2": "Staging"}


@pytest.mark.parametrize("given", ["wrkspc_1", "Staging"])
def test_a_known_workspace_is_taken_by_id_and_by_name(given: str) -> None:
    check_workspace(given, KNOWN)


@pytest.mark.parametrize(
    ("given", "hint"), [("prodction", "did you mean Production?"), ("Nope", "known are Production, Staging")]
)
def test_an_unknown_workspace_is_refused_with_the_name_that_was_meant(given: str, hint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_workspace(given, KNOWN)
    assert str(refused.value) == f"--workspace: there is no workspace {given!r} in the data; {hint}"
