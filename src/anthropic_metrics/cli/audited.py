"""How `audit` shows what it found."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal

from anthropic_metrics.audit import Difference, Report
from anthropic_metrics.cli.render import UNANSWERED, Answer, Column, Layout
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.links import page

KINDS = {
    "missing": "is not in the stream",
    "extra": "is not in the API",
    "double": "is in the stream twice",
    "changed": "differs",
    "unequal": "does not add up to the bill",
}
AUDIT = Layout(
    "audit",
    Column("stream"),
    Column("from", "time"),
    Column("to", "time"),
    Column("documents", "integer"),
    Column("documents_in_api", "integer", title="in the API"),
    Column("total", "decimal"),
    Column("total_in_api", "decimal", title="in the API"),
    Column("differences", "integer"),
    Column("unit", title="of"),
)
MONTHS = Layout(
    "months",
    Column("month"),
    Column("stream"),
    Column("usd", "decimal", title="US dollars"),
    Column("usd_in_api", "decimal", title="in the API"),
    Column("difference", "decimal"),
    Column("complete", "boolean", title="whole month"),
)
DIFFERENCES = Layout(
    "differences",
    Column("stream"),
    Column("bucket"),
    Column("kind", title="what", show=lambda kind: KINDS[kind]),
    Column("dimensions", title="of"),
    Column("fields"),
    Column("document_id", table=False),
)
OTHERS = Layout("others", Column("stream"), Column("kind"), Column("owner"), Column("documents", "integer"))
LISTED = 50  # the first say what is wrong; the rest are counted


def audit_answer(report: Report) -> Answer:
    """Tables of what was compared, by month, what differs and who else writes; with `audit`'s exit code."""
    differences = [difference for result in report.compared for difference in result.differences]
    tables = [AUDIT.table(list(_streams(report)))]
    if months := list(_months(report)):
        tables.append(MONTHS.table(months, title="Costs by month"))
    if differences:
        tables.append(
            DIFFERENCES.table(
                [_row(difference) for difference in differences], title="Differences", most=LISTED
            )
        )
    if others := list(_others(report)):
        tables.append(OTHERS.table(others, title="Written by others"))
    notes = [f"{stream} was not compared: {why}." for stream, why in report.not_compared.items()]
    return Answer(*tables, notes=notes, problems=list(_problems(report)), code=_code(report))


def _code(report: Report) -> int:
    if report.equal:
        return 0
    return 1 if report.compared or report.wrong else UNANSWERED


def _streams(report: Report) -> Iterator[tuple[object, ...]]:
    for result in report.compared:
        totals = (result.total_here, result.total_there) if result.unit else (None, None)
        yield (
            result.stream,
            result.window.start,
            result.window.end,
            result.documents_here,
            result.documents_there,
            *totals,
            len(result.differences),
            result.unit or None,
        )


def _months(report: Report) -> Iterator[tuple[object, ...]]:
    for result in report.compared:
        for month, (here, there) in sorted(result.months.items()):
            is_complete = _is_whole(month, result.window)
            yield month, result.stream, here, there, here - there or Decimal(0), is_complete


def _is_whole(month: str, window: Range) -> bool:
    """Whether the range compared holds all of the month, so that its total is the month's."""
    first = datetime.fromisoformat(f"{month}-01T00:00Z")
    following = (first + timedelta(days=32)).replace(day=1)
    return window.start <= first and following <= window.end


def _row(difference: Difference) -> tuple[object, ...]:
    fields = "; ".join(f"{name} {here} (API: {there})" for name, (here, there) in difference.fields.items())
    return (
        difference.stream,
        difference.bucket,
        difference.kind,
        difference.dimensions,
        fields,
        difference.document_id,
    )


def _others(report: Report) -> Iterator[tuple[object, ...]]:
    for stream, contents in report.others.items():
        for share in contents.foreign:
            yield stream, "another shipper", share.name, share.documents
        for share in contents.organizations:
            yield stream, "another organization", share.name, share.documents


def _problems(report: Report) -> Iterator[str]:
    for result in report.compared:
        if result.refused:
            yield f"{result.stream}: {result.refused}"
    for stream, contents in report.others.items():
        if contents.foreign:
            owners = ", ".join(share.name for share in contents.foreign)
            yield (
                f"{stream} holds {contents.foreign_documents:,} documents of {owners}: stop that shipper "
                f"({page('migration.md')} says how, and how to delete them)."
            )
    for stream, strays in report.strays.items():
        for share in strays:
            whose = f"of organization {share.name}, which no key polls here"
            yield f"{stream}: {share.documents:,} documents {whose}."
    for stream, why in report.silent.items():
        yield f"{stream} is no longer read ({why}): start `anthropic-metrics run`."
    if not report.compared:
        yield "Nothing was compared."
