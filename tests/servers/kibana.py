"""A Kibana as small as `setup` needs, over real HTTP: version, key, space, versions of objects, rules."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.servers.kibana_rules import KEY as RULES_KEY
from tests.servers.kibana_rules import KibanaRules

NEWEST = {"dashboard": "10.2.0", "index-pattern": "8.0.0"}  # what 8.17 knows


@dataclass
class SimulatedKibana:
    """Imports what it is sent as Kibana does; `refuse` names the error of an object by its id."""

    version: str = "8.17.0"
    key: str | None = None
    spaces: tuple[str, ...] = ("default",)
    refuse: dict[str, dict[str, Any]] = field(default_factory=dict)
    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""

    def __post_init__(self) -> None:
        self.alerting = KibanaRules(_number(self.version))

    @contextmanager
    def running(self) -> Iterator[SimulatedKibana]:
        kibana = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                kibana.requests.append((self.command, self.path))
                status, answer = kibana.answer(self.command, self.path, dict(self.headers), body)
                payload = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            do_GET = do_POST = do_PUT = do_DELETE = _answer

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        given = {name.lower(): value for name, value in headers.items()}
        if self.key is not None and given.get("authorization") != f"ApiKey {self.key}":
            return 401, {"statusCode": 401, "error": "Unauthorized", "message": "no"}
        if (method, path) == ("GET", "/api/status"):
            return 200, {"name": "kibana", "version": {"number": self.version}}
        space, _, rest = (
            path.removeprefix("/s/").partition("/") if path.startswith("/s/") else ("default", "", path[1:])
        )
        if space not in self.spaces:
            return 404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"}
        if rest.startswith(("api/alerting/", "api/actions/")):
            return self.alerting.answer(
                method, f"/{rest}", given | {"authorization": f"ApiKey {RULES_KEY}"}, body
            )
        if (method, rest) == ("POST", "api/saved_objects/_export"):
            return self._exported(json.loads(body), space)
        if (method, rest) != ("POST", "api/saved_objects/_import?overwrite=true"):
            return 404, {"statusCode": 404, "error": "Not Found", "message": "Not Found"}
        if "kbn-xsrf" not in given:
            return 400, {"statusCode": 400, "message": "Request must contain a kbn-xsrf header."}
        return self._imported(_uploaded(given["content-type"], body), space)

    def _exported(self, wanted: dict[str, Any], space: str) -> tuple[int, Any]:
        (one,) = wanted["objects"]
        held = self.objects.get((space, one["id"]))
        if held is None:
            return 400, {"statusCode": 400, "message": "Error fetching objects to export"}
        return 200, held

    def _imported(self, upload: tuple[str, str], space: str) -> tuple[int, Any]:
        name, text = upload
        if not name.endswith(".ndjson"):
            return 400, {"statusCode": 400, "message": f"Invalid file extension {name}"}
        objects = [json.loads(line) for line in text.splitlines() if line]
        for each in objects:
            newest, own = NEWEST[each["type"]], each["typeMigrationVersion"]
            if _number(own) > _number(newest):
                message = (
                    f'Document "{each["id"]}" belongs to a more recent version of Kibana [{own}] '
                    f"when the last known version is [{newest}]."
                )
                return 422, {"statusCode": 422, "error": "Unprocessable Entity", "message": message}
        errors, successes = [], []
        for each in objects:
            shown = {"type": each["type"], "id": each["id"], "meta": {"title": each["attributes"]["title"]}}
            if each["id"] in self.refuse:
                errors.append({**shown, "error": self.refuse[each["id"]]})
                continue
            known = (space, each["id"]) in self.objects
            self.objects[space, each["id"]] = each
            successes.append({**shown, "overwrite": True} if known else shown)
        answer = {"success": not errors, "successCount": len(successes), "successResults": successes}
        return 200, {**answer, **({"errors": errors} if errors else {})}


def _uploaded(content_type: str, body: bytes) -> tuple[str, str]:
    """File name and text of the one part of a multipart body."""
    message = message_from_bytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + body)
    (part,) = (each for each in message.walk() if not each.is_multipart())
    content = part.get_payload(decode=True)
    assert isinstance(content, bytes)
    return part.get_filename() or "", content.decode()


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
