"""The messages in docs/troubleshooting.md, read from the code: `python -m ... --write | --check`.

Each error that is raised with a cure is a heading there, so that a message pasted into a search finds it. Its
anchor and its text go to `messages.json`, by which `links.see` finds the address of a message that is shown.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from anthropic_metrics.links import LEFT_OUT, MESSAGES

PACKAGE = Path(__file__).parents[1]
TARGET = PACKAGE.parents[1] / "docs/troubleshooting.md"
FORMS = PACKAGE / MESSAGES
_WORDS = 8  # of a message that are in its anchor
BEGIN, END = "<!-- messages: written by scripts/docs -->\n", "<!-- end of messages -->\n"
_AREAS = {
    "admin_api": "Admin API",
    "agent": "Admin API",
    "kernel": "Admin API",
    "elastic": "Elasticsearch",
    "certificates.py": "Elasticsearch",
    "kibana": "Kibana",
    "alerts": "Alert rules",
    "embedded": "The embedded server",
}
_OTHER = "Configuration and commands"
_LEFT_OUT = re.compile(r"(?:… ?){2,}")


@cache
def messages() -> dict[str, dict[str, str]]:
    """By area, each message that is raised with a cure, `…` for what depends on the case, and its cure."""
    modules = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    everywhere = {name: text for module in modules.values() for name, text in _constants(module)}
    by_area: dict[str, dict[str, str]] = {}
    for path, module in modules.items():
        area = _AREAS.get(path.relative_to(PACKAGE).parts[0], _OTHER)
        constants = everywhere | dict(_constants(module))
        for node in ast.walk(module):
            cure = _raised(node)
            if cure is None or not isinstance(node, ast.Call):
                continue
            message = _text(node.args[0], constants)
            if re.search(r"\w{3}", message.replace(LEFT_OUT, "")):
                by_area.setdefault(area, {})[message] = _text(cure, constants)
    return by_area


def _raised(node: ast.AST) -> ast.expr | None:
    """The cure of an error that is made here."""
    if not isinstance(node, ast.Call) or not node.args or not isinstance(node.func, ast.Name):
        return None
    if not node.func.id[0].isupper() or node.func.id in {"Step", "Finding"}:
        return None
    return next((keyword.value for keyword in node.keywords if keyword.arg == "cure"), None)


def _constants(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Names of texts that a module gives once, at its top."""
    for node in module.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield node.targets[0].id, value.value


def _text(node: ast.expr, constants: dict[str, str]) -> str:
    """What a message says, `…` where it depends on the case."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        text = _LEFT_OUT.sub("… ", "".join(_text(part, constants) for part in node.values))
        return re.sub(r"… (?=[.,:;])", "…", text).strip()
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, constants)
    if isinstance(node, ast.Name):
        return constants.get(node.id, "…")
    if isinstance(node, ast.BoolOp):
        return _text(node.values[-1], constants)
    return "…"


def section() -> str:
    """The generated part of the page."""
    lines = []
    for area, by_message in sorted(messages().items()):
        lines += [f"## {area}", ""]
        for message, cure in sorted(by_message.items()):
            shown = cure if cure.strip("… ") else "The message itself ends with what to do."
            lines += [f'<a id="{anchor(message)}"></a>', "", f"### {_plain(message)}", "", _plain(shown), ""]
    return "\n".join(lines)


def anchor(message: str) -> str:
    """The message's place on the page: its first words. Kept as long as they are."""
    return "-".join(re.findall(r"[a-z0-9]+", message.replace("'s ", " ").lower())[:_WORDS])


def forms() -> str:
    """`messages.json`: each anchor with its message. Raises ValueError for two messages with one anchor."""
    by_anchor: dict[str, str] = {}
    for message in sorted(message for by_message in messages().values() for message in by_message):
        if by_anchor.setdefault(anchor(message), message) != message:
            raise ValueError(f"two messages begin alike: {by_anchor[anchor(message)]} {message}")
    return json.dumps(by_anchor, indent=1, ensure_ascii=False) + "\n"


def _plain(text: str) -> str:
    """Text without what Markdown would take for its own marks."""
    return re.sub(r"([<*\[\]])", r"\\\1", text.strip())


def page() -> str:
    """docs/troubleshooting.md with its generated part as it should be."""
    before, rest = TARGET.read_text("utf-8").split(BEGIN)
    return f"{before}{BEGIN}{section()}{END}{rest.split(END)[1]}"


def main(arguments: list[str]) -> int:
    wanted = {TARGET: page(), FORMS: forms()}
    if arguments == ["--write"]:
        for path, text in wanted.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    sys.stderr.writelines(f"{path.name} is not what the code says: run scripts/docs\n" for path in stale)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
