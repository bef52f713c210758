"""A stand-in for Kibana's alerting API that is as strict about bodies as Kibana is, version by version.

Written from the request schemas of elastic/kibana: unknown keys, `groupBy: row` before 8.19 and 9.1, and
`?_tend` before 9.2 (which Kibana takes, but cannot run) are refused with 400.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

KEY = "a2liYW5hOmtleQ=="
CONNECTORS = {
    "log": ".server-log",
    "chat": ".slack",
    "mail": ".email",
    "desk": ".jira",
    "pager": ".pagerduty",
    "hook": ".webhook",
    "index": ".index",
    "team": ".teams",
}
_UPDATE = {
    "name",
    "tags",
    "schedule",
    "params",
    "actions",
    "alert_delay",
    "throttle",
    "notify_when",
    "flapping",
}
_CREATE = _UPDATE | {"rule_type_id", "consumer", "enabled"}
_PARAMS = {
    "searchType", "esqlQuery", "timeField", "timeWindowSize", "timeWindowUnit", "size", "threshold",
    "thresholdComparator", "groupBy", "aggType", "aggField", "termField", "termSize",
    "excludeHitsFromPreviousRun",
}  # fmt: skip
_REQUIRED = {"searchType", "esqlQuery", "timeWindowSize", "timeWindowUnit", "size", "threshold"}
_CONSUMERS = {"stackAlerts", "alerts", "observability", "logs", "infrastructure"}
_DURATION = re.compile(r"[1-9]\d*[smhd]")


class Refused(Exception):
    """An answer of 4xx."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def check_create(body: dict[str, Any], version: tuple[int, ...]) -> None:
    """Refused unless Kibana of this version takes the body of a new rule and can run it."""
    _known(body, _CREATE, "")
    for name in ("rule_type_id", "consumer", "name", "schedule", "params"):
        _want(name in body, f"[request body.{name}]: expected a value")
    _want(body["rule_type_id"] == ".es-query", "no such rule type")
    _want(body["consumer"] in _CONSUMERS, "invalid consumer")
    _want(isinstance(body.get("enabled", True), bool), "[request body.enabled]: expected boolean")
    _check_common(body, version)


def check_update(body: dict[str, Any], version: tuple[int, ...]) -> None:
    """The same for a change of a rule."""
    _known(body, _UPDATE, "")
    for name in ("name", "schedule"):
        _want(name in body, f"[request body.{name}]: expected a value")
    _check_common(body, version)


def _check_common(body: dict[str, Any], version: tuple[int, ...]) -> None:
    _want(isinstance(body["name"], str) and body["name"], "[request body.name]: expected string")
    _want(all(isinstance(tag, str) for tag in body.get("tags", [])), "[request body.tags]: expected strings")
    _known(body["schedule"], {"interval"}, "schedule.")
    _want(_DURATION.fullmatch(body["schedule"]["interval"]), "[request body.schedule.interval]: invalid")
    _known(body.get("alert_delay", {}), {"active"}, "alert_delay.")
    for action in body.get("actions", []):
        _check_action(action)
    if "params" in body:
        _check_params(body["params"], version)


def _check_action(action: dict[str, Any]) -> None:
    _known(action, {"id", "group", "params", "frequency", "uuid", "alerts_filter"}, "actions.")
    _want(action["id"] in CONNECTORS, "Failed to load action type ids")
    _want(action["group"] in ("query matched", "recovered"), "Invalid action groups")
    frequency = action["frequency"]
    _want(frequency.keys() == {"summary", "notify_when", "throttle"}, "actions.frequency: incomplete")
    _want(
        frequency["notify_when"] in ("onActionGroupChange", "onActiveAlert", "onThrottleInterval"),
        "actions.frequency.notify_when: invalid",
    )
    _want(isinstance(action["params"], dict), "actions.params: expected object")


def _check_params(params: dict[str, Any], version: tuple[int, ...]) -> None:
    _known(params, _PARAMS, "params.")
    for name in _REQUIRED - params.keys():
        raise Refused(400, f"params invalid: [{name}]: expected a value")
    _want(params["searchType"] == "esqlQuery", "params invalid: [searchType]")
    _known(params["esqlQuery"], {"esql"}, "params.esqlQuery.")
    _want(params.get("timeField"), "params invalid: [timeField] is required")
    _want(params["threshold"] == [0], "params invalid: [threshold] must be 0 for ES|QL")
    _want(params.get("thresholdComparator") == ">", "params invalid: [thresholdComparator] must be >")
    _want(type(params["timeWindowSize"]) is int and params["timeWindowSize"] >= 1, "timeWindowSize")
    _want(params["timeWindowUnit"] in tuple("smhd"), "params invalid: [timeWindowUnit]")
    _want(type(params["size"]) is int and 0 <= params["size"] <= 10_000, "params invalid: [size]")
    groups = {"all", "top"} | ({"row"} if (8, 19) <= version < (9, 0) or version >= (9, 1) else set())
    group = params.get("groupBy", "all")
    _want(group in groups, f'params invalid: [groupBy]: invalid groupBy: "{group}"')
    last_line = params["esqlQuery"]["esql"].splitlines()[-1]
    _want("//" not in last_line, "a comment on the last line swallows the limit")
    _want("?_t" not in params["esqlQuery"]["esql"] or version >= (9, 2), "Unknown query parameter [_tend]")


def _known(value: dict[str, Any], names: set[str], where: str) -> None:
    for name in value.keys() - names:
        raise Refused(400, f"[request body.{where}{name}]: definition for this key is missing")


def _want(fits: object, message: str) -> None:
    if not fits:
        raise Refused(400, message)


class KibanaRules:
    """Rules by id, and every request that came: (method, path)."""

    def __init__(self, version: tuple[int, ...], space: str | None = None) -> None:
        self.version = version
        self.prefix = f"/s/{space}" if space else ""
        self.rules: dict[str, dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        # Called before a request is answered; may raise Refused, or change the rules as another client would.
        self.before: Callable[[str, str], None] = lambda method, path: None
        self.url = ""

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, Any]:
        parts = urlsplit(target)
        path = unquote(parts.path)
        self.requests.append((method, path))
        try:
            self.before(method, path)
            if headers.get("authorization") != f"ApiKey {KEY}":
                raise Refused(401, "unable to authenticate")
            if method != "GET" and not headers.get("kbn-xsrf"):
                raise Refused(400, "Request must contain a kbn-xsrf header.")
            if path == "/api/status":
                return 200, {"version": {"number": ".".join(map(str, self.version))}}
            if not path.startswith(self.prefix):
                raise Refused(404, "Not Found")
            content = json.loads(body) if body else None
            return self._route(method, path.removeprefix(self.prefix), parse_qs(parts.query), content)
        except Refused as refused:
            return refused.status, {"statusCode": refused.status, "message": refused.message}

    def _route(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        if path == "/api/alerting/rules/_find":
            return 200, self._find(query)
        if match := re.fullmatch(r"/api/actions/connector/([^/]+)", path):
            if match[1] not in CONNECTORS:
                raise Refused(404, "Saved object [action] not found")
            return 200, {"id": match[1], "connector_type_id": CONNECTORS[match[1]]}
        if match := re.fullmatch(r"/api/alerting/rule/([0-9a-f-]{36})/_enable", path):
            self.rules[match[1]]["enabled"] = True
            return 204, None
        match = re.fullmatch(r"/api/alerting/rule/([0-9a-f-]{36})", path)
        if match is None:
            raise Refused(404, "Not Found")
        return self._rule(method, match[1], body)

    def _rule(self, method: str, identity: str, body: Any) -> tuple[int, Any]:
        held = self.rules.get(identity)
        if method == "POST":
            if held is not None:
                raise Refused(409, "Saved object [alert] conflict")
            check_create(body, self.version)
            self.rules[identity] = {"id": identity, **_as_kept(body)}
            return 200, self.rules[identity]
        if held is None:
            raise Refused(404, f"Saved object [alert/{identity}] not found")
        if method == "PUT":
            check_update(body, self.version)
            self.rules[identity] = {**held, "tags": [], "actions": [], **_as_kept(body)}
        if method == "DELETE":
            del self.rules[identity]
            return 204, None
        return 200, self.rules[identity]

    def _find(self, query: dict[str, list[str]]) -> dict[str, Any]:
        match = re.fullmatch(r'alert\.attributes\.tags:"([^"]+)"', query["filter"][0])
        _want(match, "KQLSyntaxError")
        assert match is not None
        found = sorted((r for r in self.rules.values() if match[1] in r["tags"]), key=lambda r: r["name"])
        page, size = int(query["page"][0]), int(query["per_page"][0])
        data = found[(page - 1) * size : page * size]
        return {"page": page, "per_page": size, "total": len(found), "data": data}


def _as_kept(body: dict[str, Any]) -> dict[str, Any]:
    """Kibana adds to what it is given."""
    kept: dict[str, Any] = json.loads(json.dumps(body))
    for number, action in enumerate(kept.get("actions", [])):
        action["uuid"] = f"u{number}"
        action["connector_type_id"] = CONNECTORS[action["id"]]
    return {**kept, "revision": 1, "mute_all": False}


@contextmanager
def kibana_rules(version: tuple[int, ...], space: str | None = None) -> Iterator[KibanaRules]:
    """A running stand-in."""
    kibana = KibanaRules(version, space)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # else the body waits for the client's delayed acknowledgement, 40 ms

        def _handle(self) -> None:
            length = int(self.headers.get("content-length") or 0)
            status, answer = kibana.answer(self.command, self.path, self.headers, self.rfile.read(length))
            content = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = _handle

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    kibana.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kibana
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
