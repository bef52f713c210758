"""The container image and the compose file: what they are made of, and how they run the agent."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from anthropic_metrics.config import load_config

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def instructions(name: str) -> list[str]:
    text = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ")
    return [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith(f"{name} ")]


def copied() -> list[str]:
    """What the image is built from, as paths in the repository."""
    sources = [shlex.split(line)[:-1] for line in instructions("COPY")]
    return [path for source in sources for path in source if not source[0].startswith("--from")]


def test_the_image_is_made_of_files_that_exist_and_are_let_in() -> None:
    ignore = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_in = {line[1:] for line in ignore if line.startswith("!")}
    assert "*" in ignore
    assert copied()
    for path in copied():
        assert (ROOT / path).exists(), path
        assert path in let_in or Path(path).parts[0] in let_in, path
    assert not any(
        fnmatch(name, pattern) for pattern in let_in for name in (".env", "secrets", "config.yaml")
    )


def test_the_image_runs_our_command_as_its_first_process_and_as_nobody_in_particular() -> None:
    assert json.loads(instructions("ENTRYPOINT")[-1]) == ["anthropic-metrics"]
    assert json.loads(instructions("CMD")[-1]) == ["run"]
    assert "anthropic-metrics" in PROJECT["project"]["scripts"]
    assert instructions("USER")[-1].isdigit()
    assert instructions("USER")[-1] != "0"


def test_the_image_tells_its_health_where_it_listens() -> None:
    (healthcheck,) = instructions("HEALTHCHECK")
    assert json.loads(healthcheck.split("CMD ")[1]) == ["python", "-m", "anthropic_metrics.healthcheck"]
    environ = dict(pair.split("=", 1) for line in instructions("ENV") for pair in line.split())
    health = load_config(None, environ).health
    assert (health.host, instructions("EXPOSE")) == ("0.0.0.0", [str(health.port)])
    assert environ["PYTHONDONTWRITEBYTECODE"] == "1"


def test_the_image_says_what_it_is() -> None:
    labels = dict(
        re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', "\n".join(instructions("LABEL")))
    )
    assert labels["source"] == PROJECT["project"]["urls"]["Homepage"]
    assert labels["licenses"] == PROJECT["project"]["license"]
    assert {"VERSION=unknown", "REVISION=unknown"} == set(instructions("ARG"))
    assert (labels["version"], labels["revision"]) == ("$VERSION", "$REVISION")


def test_the_image_installs_locked_versions_only() -> None:
    installs = re.findall(r"pip install (.*?)(?:&&|$)", "\n".join(instructions("RUN")), re.MULTILINE)
    assert len(installs) == 3
    for install in installs:
        assert "--require-hashes -r requirements/" in install or "--no-deps dist/" in install


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    return found


@pytest.mark.parametrize("name", ["agent", "try"])
def test_compose_gives_the_agent_a_read_only_root_and_its_key_from_a_file(name: str) -> None:
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["tmpfs"] == ["/tmp"]
    environ = service["environment"]
    config = load_config(None, environ)
    (secret,) = service["secrets"]
    assert str(config.anthropic.admin_key_file) == f"/run/secrets/{secret}"
    assert compose()["secrets"][secret]["file"] == f"secrets/{secret}"
    ignored = (ROOT / ".gitignore").read_text("utf-8").splitlines()
    assert {"/secrets/", "/.env"} <= set(ignored)


def test_compose_starts_the_cluster_to_try_things_only_when_asked() -> None:
    services = compose()["services"]
    assert all(service["profiles"] for service in services.values())
    assert {name for name, service in services.items() if "try" in service["profiles"]} == {
        "try",
        "elasticsearch",
        "kibana",
    }
    for name in ("elasticsearch", "kibana"):
        assert all(port.startswith("127.0.0.1:") for port in services[name]["ports"])
