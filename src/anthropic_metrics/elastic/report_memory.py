"""What the agent stream remembers of reports: when a month was reported, and what changed since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from anthropic_metrics.documents.agent import agent_document
from anthropic_metrics.documents.identity import prepare
from anthropic_metrics.elastic import query
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.lookup import refresh_if_allowed
from anthropic_metrics.elastic.reconcile import Streams
from anthropic_metrics.errors import SinkError
from anthropic_metrics.finance.report import Correction, LastReport, Report
from anthropic_metrics.kernel.datasets import AGENT, COST, stream_name
from anthropic_metrics.kernel.ranges import iso
from anthropic_metrics.spend.money import Usd, usd, usd_from_cents, usd_text
from anthropic_metrics.spend.settle import day_of, day_start

ACTION = "report"


@dataclass(frozen=True)
class ReportMemory:
    """Asks and writes the agent stream of a namespace. Raises what asking and writing Elasticsearch raise."""

    es: Client
    namespace: str

    @property
    def stream(self) -> str:
        return stream_name(AGENT, self.namespace)

    def last(self, report: Report) -> LastReport | None:
        """When the report's month was last reported, as whatever kind; None if never."""
        refresh_if_allowed(self.es, self.stream)
        wanted = [
            {"term": {"event.action": ACTION}},
            {"term": {"organization.id": report.organization_id}},
            {"term": {"anthropic.report.period": report.period.label}},
        ]
        fields = ("@timestamp", "anthropic.report")
        sources = list(query.sources(self.es, self.stream, {"bool": {"filter": wanted}}, fields))
        made = [
            (datetime.fromisoformat(source["@timestamp"]), source["anthropic"]["report"])
            for source in sources
        ]
        newest = max(made, key=lambda report: report[0], default=None)
        return None if newest is None else LastReport(newest[0], usd(newest[1]["amount_exact"]))

    def corrections(self, report: Report, since: datetime) -> tuple[Correction, ...]:
        """The lines of the report's period whose change was noticed after `since`, in that order."""
        wanted = [
            {"term": {"event.action": "correction"}},
            {"term": {"organization.id": report.organization_id}},
            {"term": {"anthropic.correction.stream": stream_name(COST, self.namespace)}},
            {"range": {"@timestamp": {"gt": iso(since)}}},
            {
                "range": {
                    "anthropic.correction.bucket_start_time": {
                        "gte": iso(day_start(report.period.start)),
                        "lt": iso(day_start(report.period.end)),
                    }
                }
            },
        ]
        fields = ("@timestamp", "anthropic.correction", "anthropic.workspace")
        sources = query.sources(self.es, self.stream, {"bool": {"filter": wanted}}, fields)
        corrections = (_correction(source) for source in sources)
        return tuple(
            sorted(corrections, key=lambda correction: (correction.noticed, correction.day, correction.what))
        )

    def remember(self, report: Report) -> None:
        """Note that the report was made, so that the next one can say what changed since."""
        document = agent_document(
            ACTION,
            at=report.made_at,
            now=report.made_at,
            namespace=self.namespace,
            organization={"id": report.organization_id, "name": report.organization},
            anthropic={
                "report": {
                    "period": report.period.label,
                    "kind": str(report.kind),
                    "amount_usd": report.total.amount,
                    "amount_exact": usd_text(report.total.amount),
                }
            },
        )
        outcome = Streams(self.es).append(self.stream, [prepare(uuid4().hex, document)], new=True)
        if not outcome.created:
            raise SinkError(f"{self.stream} refused the record of the report for {report.period.label}.")


def _correction(source: dict[str, Any]) -> Correction:
    entry = source["anthropic"]["correction"]
    dimensions = dict(dimension.split("=", 1) for dimension in entry.get("dimensions") or ())
    space = source["anthropic"].get("workspace", {})
    what = ", ".join(
        _texts(space.get("name") or dimensions.get("workspace_id"), dimensions.get("description"))
    )
    return Correction(
        datetime.fromisoformat(source["@timestamp"]),
        day_of(datetime.fromisoformat(entry["bucket_start_time"])),
        what,
        _dollars(entry.get("old_exact")),
        _dollars(entry.get("new_exact")),
    )


def _texts(*texts: str | None) -> Iterator[str]:
    yield from (text for text in texts if text)


def _dollars(cents: str | None) -> Usd | None:
    return None if cents is None else usd_from_cents(usd(cents))
