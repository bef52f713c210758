"""`anthropic_metrics.agent`: one thing the agent did, found or was told: a poll, a correction of a shipped
number, a change of a rate limit, a comparison of the usage grains, a budget, a check of estimates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field

from anthropic_metrics.documents.base import (
    Count,
    Date,
    Dates,
    Document,
    Double,
    Flag,
    Keyword,
    Keywords,
    Money,
    Part,
    Shared,
)
from anthropic_metrics.documents.telemetry import Telemetry
from anthropic_metrics.documents.writing import Envelope, Writer
from anthropic_metrics.kernel.datasets import AGENT


class Poll(Part):
    """One poll of one view, with its counts."""

    poller: Keyword = Field(
        description="`usage`, `cost`, `rate_limits`, `headroom`, `spend`, `inventory`, `telemetry` or "
        "`alerts`."
    )
    stream: Keyword = Field(description="The data stream that the poll updates.")
    key_digest: Keyword | None = Field(
        None,
        description="Digest of the Admin API key: the next poll with it must be for the same organization.",
    )
    window_start: Date = Field(description="Start of the range read, inclusive.")
    window_end: Date = Field(description="End of the range read, exclusive.")
    windows: Count = Field(0, description="Windows that were read completely and reconciled.")
    pages: Count = Field(0, description="Pages of the report read.")
    buckets: Count = Field(0, description="Buckets in the answers.")
    unchanged_buckets: Count = Field(0, description="Buckets whose answer was the same as at the last poll.")
    rows: Count = Field(
        0, description="Rows in the buckets that had changed; of headroom, the windows computed."
    )
    created: Count = Field(0, description="Documents created.")
    replaced: Count = Field(0, description="Documents replaced.")
    deleted: Count = Field(0, description="Documents deleted after a second read.")
    marked: Count = Field(0, description="Documents marked because the API no longer reports them.")
    kept: Count = Field(0, description="Documents that were right already.")
    waiting: Count = Field(0, description="Marked documents that wait for the second read.")
    conflicts: Count = Field(
        0, description="Writes that came after another writer's; the agent compared these documents again."
    )
    unsettled: Count = Field(0, description="Of them, those still open at the end of the poll.")
    refused: Count = Field(0, description="Documents that Elasticsearch refused.")
    diverted: Count = Field(0, description="Documents that went to the failure store.")
    withheld: Count = Field(
        0, description="Documents that went to the failure store earlier and are not sent again yet."
    )
    dropped: Count = Field(0, description="Documents that a pipeline of yours dropped.")
    bad_rows: Count = Field(0, description="Rows that did not fit the documented shape, skipped.")
    unknown_fields: Count = Field(
        0, description="Fields that the agent does not know; the rows are read anyway."
    )
    unmatched: Count = Field(
        0,
        description="Rows of the cost analytics report that fit no row of usage; each has a spend document.",
    )
    silencing: Keywords | None = Field(
        None, description="What keeps budgets or alert rules silent: another currency, an unknown name."
    )
    open_alerts: Count | None = Field(None, description="Of `alerts`: alerts that are open after it.")
    requests: Count = Field(0, description="Admin API requests of this poll.")
    retries: Count = Field(0, description="Of them, repeated ones.")
    seconds: Double = Field(0.0, description="How long the poll took.")
    newest_data: Date | None = Field(None, description="End of the newest bucket with rows.")
    lag_seconds: Double | None = Field(None, description="Age of the newest data at the poll.")


class Correction(Part):
    """One number that was shipped as complete and then changed upstream."""

    stream: Keyword = Field(description="The data stream whose document changed.")
    document_id: Keyword = Field(description="The document's `_id`.")
    bucket_start_time: Date = Field(description="The bucket that was corrected.")
    dimensions: Keywords | None = Field(None, description="`name=value` of each grouped dimension.")
    field: Keyword = Field(description="The field that changed.")
    old: Double = Field(description="The figure that had been shipped.")
    new: Double | None = Field(
        None, description="The figure that replaced it; absent if the row disappeared."
    )
    delta: Double = Field(description="New minus old; minus old if the row disappeared.")
    old_exact: Keyword | None = Field(None, description="Of money: `old` as a decimal text.")
    new_exact: Keyword | None = Field(None, description="Of money: `new` as a decimal text.")
    delta_exact: Keyword | None = Field(None, description="Of money: `delta` as a decimal text.")
    why: Keyword = Field(description="`late` (grew), `revised` (shrank) or `vanished`.")


class LimitChange(Part):
    """One rate limit that was found to differ from the snapshot before."""

    scope: Keyword = Field(description="`organization` or `workspace`.")
    workspace_id: Keyword | None = Field(None, description="The workspace, for the scope `workspace`.")
    group_id: Keyword = Field(description="The limit group's id, or its type and models if it has none.")
    group_name: Keyword = Field(description="The group's display name, or its models if it has none.")
    limit_type: Keyword = Field(description="Which limit changed.")
    old: Count | None = Field(None, description="The limit before; absent if there was none.")
    new: Count | None = Field(None, description="The limit now; absent if it no longer exists.")
    delta: Double | None = Field(None, description="New minus old, if both exist.")
    why: Keyword = Field(description="`raised`, `lowered`, `added` or `removed`.")
    seen_between: Dates = Field(description="The two snapshots between which it changed.")


class InventoryChange(Part):
    """One thing that a resource of the inventory was found to say otherwise than before."""

    type: Keyword = Field(description="`organization`, `workspace`, `api_key`, `user` or `service_account`.")
    id: Keyword = Field(description="The resource's id.")
    name: Keyword | None = Field(None, description="The resource's name now.")
    why: Keyword = Field(
        description="`created`, `renamed`, `archived`, `deactivated`, `activated`, `expired`, `deleted`, "
        "`restored`, `expiry_changed`, `scope_changed`, `role_changed`, `owner_changed`, `tag_changed`, "
        "`residency_changed`."
    )
    field: Keyword | None = Field(None, description="What changed, of a tag `tags.` and its key.")
    old: Keyword | None = Field(None, description="The old value; absent if there was none.")
    new: Keyword | None = Field(None, description="The new value; absent if there is none.")
    by_id: Keyword | None = Field(None, description="Who made the change, if the API says so.")
    seen_after: Date | None = Field(
        None, description="When the old value was last seen; the change was made after that."
    )


class GrainCheck(Part):
    """Whether two grains of usage add up to the same, by the buckets of the coarser one."""

    fine: Keyword = Field(description="The data stream of the finer grain.")
    coarse: Keyword = Field(description="The data stream of the coarser grain.")
    window_start: Date = Field(description="Start of the range compared, inclusive.")
    window_end: Date = Field(description="End of the range compared, exclusive.")
    buckets: Count = Field(description="Buckets compared.")
    differing_buckets: Count = Field(description="Of them, those in which any figure differs.")
    difference: Count = Field(description="Tokens and searches that are in one grain only, summed up.")
    first_differing: Date | None = Field(None, description="The earliest bucket that differs.")
    differing_fields: Keywords | None = Field(None, description="The fields that differ.")


class EstimateCheck(Part):
    """How far the early figures of a settled UTC day were off, by workspace; `@timestamp` is the day."""

    workspace_id: Keyword | None = Field(None, description="The workspace, if usage is grouped by it.")
    estimated_usd: Money = Field(description="What its usage would have cost at the prices known that day.")
    billed_usd: Money = Field(description="What the bill has for the same usage.")
    difference_usd: Money = Field(description="Estimated minus billed.")
    difference_share: Double | None = Field(
        None, description="The difference as a share of what was billed; absent if nothing was billed."
    )
    unattributed_usd: Money = Field(description="Other costs on the bill, which no estimate can include.")
    unpriced_tokens: Count = Field(description="Tokens that had no price.")
    cell: Keyword | None = Field(
        None,
        description="The cell whose price was most off: model, tier, geo and token type; absent if none was.",
    )
    cell_estimated_usd: Money | None = Field(None, description="What that cell was estimated at.")
    cell_billed_usd: Money | None = Field(None, description="What the bill has for that cell.")


class BillCheck(Part):
    """Where the cost report and the cost analytics report differ, by workspace and settled UTC day."""

    workspace_id: Keyword | None = Field(None, description="The workspace, if usage is grouped by it.")
    classic_usd: Money = Field(description="What the cost report has.")
    analytics_usd: Money = Field(description="What the cost analytics report has.")
    difference_usd: Money = Field(description="Analytics minus classic.")


class Budget(Part):
    """A budget, or a spend limit of the Console, in the period that begins at `@timestamp`, UTC.

    Figures end in `_usd` or `_tokens`, as the budget does.
    """

    scope: Keyword = Field(description="`organization`, `workspace`, `api_key`, `team` or `tag`.")
    name: Keyword = Field(description="The budget's name; a spend limit's begins with `limit: `.")
    whose: Keyword | None = Field(None, description="What the budget covers, such as `workspace Production`.")
    period: Keyword | None = Field(None, description="`monthly`, `weekly` (from Monday on) or `daily`.")
    period_end: Date | None = Field(None, description="The period's end, exclusive.")
    month_usd: Money | None = Field(
        None, description="For a monthly budget, the most that the month may cost, US dollars."
    )
    limit_usd: Money | None = Field(None, description="The most that the period may cost, US dollars.")
    limit_tokens: Double | None = Field(None, description="The most tokens that the period may use.")
    spent_usd: Money | None = Field(
        None, description="What it has cost so far: settled figures and estimates of what is not settled."
    )
    spent_tokens: Double | None = Field(None, description="The tokens used so far.")
    estimated_usd: Money | None = Field(None, description="Of what is spent, the part that is not settled.")
    estimated_tokens: Double | None = Field(None, description="Of the tokens, those of days not settled.")
    used: Double | None = Field(None, description="The share of the budget that is spent.")
    burn_usd: Money | None = Field(None, description="Dollars a day over the last seven whole days.")
    burn_tokens: Double | None = Field(None, description="Tokens a day over the last seven whole days.")
    forecast_usd: Double | None = Field(None, description="What the period is expected to cost by its end.")
    forecast_low_usd: Double | None = Field(None, description="Lower end of the forecast's 80 % band.")
    forecast_high_usd: Double | None = Field(None, description="Upper end of the forecast's 80 % band.")
    forecast_tokens: Double | None = Field(None, description="The tokens expected by the period's end.")
    forecast_low_tokens: Double | None = Field(None, description="Lower end of the forecast's 80 % band.")
    forecast_high_tokens: Double | None = Field(None, description="Upper end of the forecast's 80 % band.")
    runs_out: Keyword | None = Field(
        None, description="The day on which the forecast exceeds the budget; absent if it does not."
    )
    state: Keyword | None = Field(None, description="`ok`, `warning`, `exceeded`, `incomplete` or `unknown`.")
    counted_from: Keyword | None = Field(
        None, description="The first day that is counted, where the period began before it."
    )
    read_only: Flag | None = Field(
        None, description="True for a spend limit of the Console: reaching it stops traffic."
    )
    problem: Keyword | None = Field(None, description="Why the budget counts nothing.")


class MonthReport(Part):
    """A report of a month for finance that was made at `@timestamp`."""

    period: Keyword = Field(description="The month, such as `2026-10`.")
    kind: Keyword = Field(description="`showback`, `chargeback` or `quota`.")
    amount_usd: Money = Field(description="The month's bill as it stood then.")
    amount_exact: Keyword = Field(description="The same as a decimal text, dollars.")


class AgentAnthropic(Shared):
    poll: Poll | None = None
    correction: Correction | None = None
    limit_change: LimitChange | None = None
    inventory_change: InventoryChange | None = None
    grain_check: GrainCheck | None = None
    budget: Budget | None = None
    estimate_check: EstimateCheck | None = None
    bill_check: BillCheck | None = None
    report: MonthReport | None = None
    telemetry: Telemetry | None = None


class AgentDocument(Document):
    """A poll, a correction, a changed limit, a comparison of grains, a budget, a check, a report or a
    telemetry destination."""

    anthropic: AgentAnthropic


def agent_document(
    action: str,
    *,
    at: datetime | str,
    now: datetime,
    namespace: str,
    organization: Mapping[str, str | None] | None,
    anthropic: Mapping[str, Any],
    event: Mapping[str, Any] | None = None,
    failure: str | None = None,
) -> AgentDocument:
    """`anthropic` in the envelope of the agent stream, with `@timestamp` `at`.

    `event` adds to the envelope's own fields; `failure` is what went wrong. Raises ValidationError.
    """
    common = {"dataset": AGENT, "action": action, "created": now}
    return AgentDocument.model_validate(
        {
            "timestamp": at,
            "data_stream": {"dataset": AGENT, "namespace": namespace},
            "event": common | dict(event or {}),
            "organization": organization,
            "error": {"message": failure} if failure else None,
            "anthropic": anthropic,
        }
    )


def agent_writer(
    action: str, *, now: datetime, namespace: str, organization: Mapping[str, str | None] | None
) -> Writer:
    """What writes documents of the agent stream from values that were checked before, all of one action.

    `@timestamp` is `now`.
    """
    envelope = {
        "data_stream": {"dataset": AGENT, "namespace": namespace},
        "event": {"dataset": AGENT, "action": action, "created": now},
        "organization": organization,
    }
    return Writer(AgentDocument, Envelope(envelope), now, now)
