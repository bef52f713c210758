"""What the state of version 2 of the assets wrote is adopted without a rewrite or a loss.

`documents.ndjson` and `assets.json` are what that state made of `rows.json`; they are data, and stay.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan

from anthropic_metrics import __version__
from anthropic_metrics.config import Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.elastic.setup import ensure
from anthropic_metrics.kernel.datasets import AGENT, ALERT, all_streams, stream_name
from anthropic_metrics.kernel.ranges import EPOCH, Range
from tests.harness.upgrade_samples import FOLDER, NAMES, NAMESPACE, READ, built

ASSETS: dict[str, dict[str, Any]] = json.loads((FOLDER / "assets.json").read_text(encoding="utf-8"))
LINES = (FOLDER / "documents.ndjson").read_text(encoding="utf-8").splitlines()
WRITTEN: list[dict[str, str]] = [json.loads(line) for line in LINES]
DATASETS = sorted({line["dataset"] for line in WRITTEN})
EVERYTHING = Range(EPOCH, READ + timedelta(days=1))


def now_built() -> dict[str, list[Prepared]]:
    found: dict[str, list[Prepared]] = {}
    for dataset, document in built():
        found.setdefault(dataset, []).append(document)
    return found


def as_then(document: Prepared) -> str:
    """The source as the agent of that version wrote it: the version is no part of what a document says."""
    return document.body.decode().replace(f'"version":"{__version__}"', '"version":"0.1.0"')


def is_record(line: dict[str, str]) -> bool:
    """Appended once and never compared: a later one may say more, under the same id."""
    return json.loads(line["source"])["event"].get("action") in ("poll", "correction")


def is_budget(line: dict[str, str]) -> bool:
    """Budgets are counted anew at every poll, since then by name and period."""
    return bool(json.loads(line["source"])["event"].get("action") == "budget")


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_same_rows_make_the_same_documents_byte_by_byte(dataset: str) -> None:
    before = [line for line in WRITTEN if line["dataset"] == dataset and not is_budget(line)]
    after = now_built()[dataset]
    assert [document.id for document in after] == [line["id"] for line in before]
    kept = [n for n, line in enumerate(before) if not is_record(line)]
    assert [as_then(after[n]) for n in kept] == [before[n]["source"] for n in kept]
    assert [after[n].hash for n in kept] == [before[n]["hash"] for n in kept]


def test_streams_of_the_earlier_state_are_adopted_without_a_rewrite_or_a_loss(es: Elasticsearch) -> None:
    for name, body in ASSETS["pipelines"].items():
        # The test's server runs no processors: the pipeline is there by name.
        es.ingest.put_pipeline(id=name, body={**body, "processors": [], "on_failure": None})
    for name, body in ASSETS["component_templates"].items():
        es.cluster.put_component_template(name=name, body=body)
    for name, body in ASSETS["index_templates"].items():
        es.indices.put_index_template(name=name, body=body)
    for line in WRITTEN:
        stream = stream_name(line["dataset"], NAMESPACE)
        es.create(index=stream, id=line["id"], document=json.loads(line["source"]))

    ensure(es, Config(namespace=NAMESPACE))
    streams = Streams(es)
    for dataset, documents in now_built().items():
        stream = stream_name(dataset, NAMESPACE)
        if dataset in (AGENT, ALERT):  # appended, not compared
            outcome = streams.append(stream, documents)
        else:
            outcome = streams.reconcile(
                stream,
                EVERYTHING,
                documents,
                organization_id=NAMES.organization_id,
                now=READ,
                confirm_after=timedelta(0),
            )
        assert (outcome.kept, outcome.changed) == (len(documents), 0), dataset
    es.indices.refresh(index=all_streams(NAMESPACE))
    ids = sorted(hit["_id"] for hit in scan(es, index=all_streams(NAMESPACE)))
    assert ids == sorted(line["id"] for line in WRITTEN)
