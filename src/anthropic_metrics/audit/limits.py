"""The limits in force in the API against the last snapshot in the stream."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from anthropic_metrics.audit.compare import Audited, Difference
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.questions import Questions, Scope
from anthropic_metrics.kernel.ranges import Range, iso
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.limits.build import rate_limit_documents
from anthropic_metrics.limits.changes import limit_changes
from anthropic_metrics.limits.groups import LimitSnapshot
from anthropic_metrics.limits.poller import RateLimitPoller


def audit_limits(
    ask: Questions, poller: RateLimitPoller, inventory: Inventory, now: datetime
) -> Audited | None:
    """The last snapshot of each scope against the API now; None while the stream holds none.

    The rate limits have no past in the API, so no range can be asked for. Raises what reading raises.
    """
    ask.refresh(poller.stream)
    tally = Tally("rate_limits", poller.stream)
    frame, snapshots = poller.read(tally)
    by_scope: dict[Scope, LimitSnapshot] = {
        snapshot.scope: snapshot for snapshot in snapshots if snapshot.replies
    }
    history = ask.limit_history(poller.stream, inventory.names(now).organization_id)
    stored = history.before(now + timedelta(seconds=1), by_scope.keys())
    if not stored:
        return None
    oldest = datetime.fromtimestamp(min(at for at, _ in stored.values()), UTC)
    result = Audited(poller.stream, Range(oldest, now), refused=tally.unread)
    for scope, snapshot in by_scope.items():
        documents = rate_limit_documents(frame, snapshot.replies)
        result.documents_there += len(documents)
        if scope not in stored:
            result.differences += [_missing(poller.stream, document) for document in documents]
            continue
        at, rows = stored[scope]
        result.documents_here += len(rows)
        changes = limit_changes(rows, at, snapshot, frame)
        result.differences += [_changed(poller.stream, at, change) for change in changes]
    return result


def _missing(stream: str, document: Prepared) -> Difference:
    row = document.source["anthropic"]["rate_limit"]
    return Difference("missing", stream, document.id, str(document.source["@timestamp"]), _of(row))


def _changed(stream: str, at: int, change: Prepared) -> Difference:
    told = change.source["anthropic"]["limit_change"]
    fields = {told["limit_type"]: (told.get("old"), told.get("new"))}
    bucket = iso(datetime.fromtimestamp(at, UTC), "seconds")
    return Difference("changed", stream, change.id, bucket, _of(told), fields)


def _of(row: dict[str, object]) -> str:
    names = ("scope", "workspace_id", "group_name")
    return " ".join(f"{name}={row[name]}" for name in names if row.get(name))
