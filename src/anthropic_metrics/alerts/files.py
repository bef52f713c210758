"""`alert_rules/`: each rule with the default settings as a file, generated from the definitions.

    python -m anthropic_metrics.alerts.files --write    after a change of a rule
    python -m anthropic_metrics.alerts.files --check    ends with 1 when a file is out of date

A file is the body of `POST /api/alerting/rule/<id>`. Those in `older/` are for Kibana before 9.2.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from anthropic_metrics.alerts.bodies import NEWEST, Body, Version, create_body, template
from anthropic_metrics.alerts.catalog import every_rule, rules
from anthropic_metrics.config import Config
from anthropic_metrics.versions import OLDEST_ELASTIC

_ROOT = Path(__file__).parents[3]
FOLDER = "alert_rules"
OLDER: Version = OLDEST_ELASTIC


def documented() -> dict[str, str]:
    """Path and text of each file, for the default configuration."""
    config = Config()
    bodies = {}
    for rule in every_rule(config):
        for folder, version in ((FOLDER, NEWEST), (f"{FOLDER}/older", OLDER)):
            bodies[f"{folder}/{rule.key}.json"] = pretty(create_body(rule, config.namespace, version))
    return bodies


def exported(config: Config, version: Version) -> dict[str, str]:
    """Name and text of each file for somebody's own automation: the rules that are on, and the templates."""
    bodies = {
        f"{_file_name(rule.key)}.json": pretty(create_body(rule, config.namespace, version))
        for rule in rules(config)
    }
    templates = (json.dumps(template(rule, config.namespace), ensure_ascii=False) for rule in rules(config))
    return {**bodies, "templates.ndjson": "".join(f"{line}\n" for line in templates)}


def pretty(body: Body) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False) + "\n"


def _file_name(key: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "_-." else "_" for letter in key)


def main(arguments: list[str]) -> int:
    wanted = {_ROOT / name: text for name, text in documented().items()}
    extra = set((_ROOT / FOLDER).rglob("*.json")) - wanted.keys()
    if arguments == ["--write"]:
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        for path in extra:
            path.unlink()
        return 0
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text("utf-8") != text]
    names = ", ".join(sorted(str(path.relative_to(_ROOT)) for path in (*stale, *extra)))
    if names:
        sys.stderr.write(f"{names}: differs from the code; run scripts/docs\n")
    return 1 if names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
