"""Does the daemon on this machine work? `python -m anthropic_metrics.healthcheck`, for a container.

It runs every half minute for months, so it imports nothing of the agent. The address is that of the variables
ANTHROPIC_METRICS_HEALTH__HOST and ANTHROPIC_METRICS_HEALTH__PORT, or the default. Only a configuration file
with a section `health` is read as the agent reads it.
"""

from __future__ import annotations

import os
import socket
import sys

HOST, PORT = "127.0.0.1", 9321
SECONDS = 5.0
_VARIABLE = "ANTHROPIC_METRICS_HEALTH__"
_LOCAL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  (compared with, not bound to)


def address(host: str, port: int) -> str:
    """The base URL of an agent that listens there, for its own machine."""
    host = _LOCAL.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def trouble(host: str, port: int, *, seconds: float = SECONDS) -> str:
    """Why the daemon does not work; empty if it does. It is asked directly, never through a proxy."""
    url = f"{address(host, port)}/healthz"
    try:
        status = _status(_LOCAL.get(host, host), port, seconds)
    except ConnectionRefusedError:
        return f"nobody listens at {url}: it does not run, or listens elsewhere (health.host, health.port)"
    except TimeoutError:
        return f"{url} does not answer within {seconds:g} seconds"
    except OSError as error:
        return f"{url} cannot be reached: {error.strerror or error}"
    if status == b"200":
        return ""
    return f"{url} answers {status.decode('ascii', 'replace') or 'no HTTP'}: something else may listen there"


def _status(host: str, port: int, seconds: float) -> bytes:
    with socket.create_connection((host, port), seconds) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        line = connection.recv(64)
    protocol, _, rest = line.partition(b" ")
    return rest[:3] if protocol.startswith(b"HTTP/") else b""


def _configured() -> tuple[str, int]:
    """Host and port, from the environment where the configuration file says nothing of them."""
    if _file_has_section():
        from anthropic_metrics.config import load_config

        health = load_config(None).health
        return health.host, health.port
    return os.environ.get(_VARIABLE + "HOST") or HOST, int(os.environ.get(_VARIABLE + "PORT") or PORT)


def _file_has_section() -> bool:
    try:
        with open(os.environ.get("ANTHROPIC_METRICS_CONFIG") or "config.yaml", encoding="utf-8-sig") as file:  # noqa: PTH123  (pathlib takes longer to import than all else)
            return any(line.startswith(("health", '"health', "'health", "{")) for line in file)
    except (OSError, ValueError):
        return False


def main() -> int:
    """The exit code: 0 or 1, with the reason on standard error."""
    try:
        why = trouble(*_configured())
    except Exception as error:  # noqa: BLE001  (a wrong configuration must not end in a traceback)
        why = str(error)
    if why:
        sys.stderr.write(f"anthropic-metrics: {why}\n")
    return 1 if why else 0


if __name__ == "__main__":
    sys.exit(main())
