"""What is made from the chart: its schema of values, the plain manifest, the Prometheus rules.

python -m deploy.manifests --write    after a change of chart or configuration
    python -m deploy.manifests --check    drift, helm lint, schemas of Kubernetes, promtool; 1 on a fault
    python -m deploy.manifests --package FOLDER    the chart as a file
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import kubernetes_validate
import yaml
from pydantic import SecretStr

from anthropic_metrics.config.problems import KEYS
from anthropic_metrics.config.schema import schema
from deploy import tools

ROOT = Path(__file__).parents[1]
CHART = ROOT / "deploy/helm/anthropic-metrics"
VERSIONS = ("1.29", "1.37")  # of Kubernetes, the oldest and the newest that are validated
_OF_OPERATORS = "monitoring.coreos.com/"  # Kubernetes has no schema of these
_REFERENCE = {"type": "string", "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"}


def values_schema() -> dict[str, Any]:
    """JSON Schema of values.yaml: `config` as the agent reads it, without secrets in clear text."""
    config = schema()
    del config["$schema"], config["title"]
    for key, field in KEYS.items():
        if SecretStr in _inner(field.annotation):
            holder = config["properties"]
            for part in key[:-1]:
                holder = holder[part]["properties"]
            secret = {"anyOf": [_REFERENCE, {"type": "array", "items": _REFERENCE}]}
            holder[key[-1]] = {"description": "Only as ${NAME}: this becomes a ConfigMap.", **secret}
    text, boolean, whole = {"type": "string"}, {"type": "boolean"}, {"type": "integer", "minimum": 0}
    free: dict[str, Any] = {"type": "object"}
    some: dict[str, Any] = {"type": "array"}
    switch = {"enabled": boolean}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **_closed(
            image=_closed(
                repository=text,
                tag=text,
                digest={"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
                pullPolicy={"enum": ["Always", "IfNotPresent", "Never"]},
            ),
            imagePullSecrets=some,
            config=config,
            secrets=_closed(run=text, setup=text),
            caSecret=text,
            caConfigMap=text,
            extraEnv=some,
            extraEnvFrom=some,
            agent=_closed(**switch, replicas=whole),
            setup=_closed(**switch, args={"type": "array", "items": text}),
            cronJob=_closed(**switch, schedule=text),
            resources=free,
            podMonitor=_closed(**switch, interval=text, labels=free),
            prometheusRule=_closed(**switch, labels=free),
            networkPolicy=_closed(**switch, egressPorts={"type": "array", "items": whole}, metricsFrom=some),
            podAnnotations=free,
            podLabels=free,
            nodeSelector=free,
            tolerations=some,
            affinity=free,
            **{"global": free},
        ),
    }


def _inner(annotation: Any) -> set[Any]:
    return {annotation}.union(*(_inner(inside) for inside in get_args(annotation)))


def _closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties}


def helm(*arguments: str) -> str:
    """What helm prints; raises CalledProcessError, with its words, when it refuses."""
    command = [str(tools.helm()), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def rendered(values: Path | None) -> str:
    """The chart's manifests under a file of values."""
    given = () if values is None else ("--values", str(values))
    return helm("template", "anthropic-metrics", str(CHART), "--kube-version", f"{VERSIONS[-1]}.0", *given)


def files() -> Iterator[tuple[Path, str]]:
    """Every generated file as it should be. The schema comes first: helm reads it."""
    yield CHART / "values.schema.json", json.dumps(values_schema(), indent=1) + "\n"
    plain = rendered(ROOT / "deploy/kubernetes/values.yaml")
    head = "# Made from deploy/helm by scripts/docs; do not edit. Set the cluster's address and the image.\n"
    plain = plain.replace("app.kubernetes.io/managed-by: Helm", "app.kubernetes.io/managed-by: kubectl")
    yield ROOT / "deploy/kubernetes/anthropic-metrics.yaml", head + plain
    rules = (CHART / "files/rules.yaml").read_text("utf-8")
    yield ROOT / "deploy/prometheus/rules.yaml", rules


def drift() -> Iterator[str]:
    for path, text in files():
        if not path.exists() or path.read_text("utf-8") != text:
            yield f"{path.relative_to(ROOT)} is not what the chart says: run scripts/docs"


def value_files() -> list[Path | None]:
    return [None, *sorted((CHART / "ci").glob("*.yaml")), ROOT / "deploy/kubernetes/values.yaml"]


def faults() -> Iterator[str]:
    """What helm or Kubernetes' schemas refuse, one sentence each."""
    for values in value_files():
        name = values.name if values else "values.yaml"
        for document in yaml.safe_load_all(rendered(values)):
            yield from (f"{name}: {fault}" for fault in invalid(document))
    helm("lint", "--strict", str(CHART), *(f"--values={path}" for path in value_files() if path))


def invalid(document: dict[str, Any]) -> Iterator[str]:
    """Why Kubernetes, in each of VERSIONS, would refuse a manifest; unknown fields count."""
    if str(document["apiVersion"]).startswith(_OF_OPERATORS):
        return
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{document['kind']}: Kubernetes {version}: {error.message}"


def main(arguments: list[str]) -> int:
    if arguments == ["--write"]:
        for path, text in files():
            path.write_text(text, encoding="utf-8")
        return 0
    if arguments[:1] == ["--package"]:
        helm("package", str(CHART), "--destination", arguments[1])
        return 0
    try:
        wrong = [*drift(), *faults()]
        rules = [str(tools.promtool()), "check", "rules", str(CHART / "files/rules.yaml")]
        subprocess.run(rules, capture_output=True, text=True, check=True)
    except tools.Missing as error:
        wrong = [str(error)]
    except subprocess.CalledProcessError as error:
        wrong = [f"{Path(error.cmd[0]).name}: {error.stdout}{error.stderr}"]
    sys.stderr.writelines(f"{line}\n" for line in wrong)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
