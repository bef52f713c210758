"""Documents written straight from checked values are, byte for byte, what their models make of the values."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_metrics.admin_api.replies import ApiKey, CostRow, RateLimitGroup, UsageRow, Workspace
from anthropic_metrics.config.money import TeamSettings, teams_of
from anthropic_metrics.documents.agent import AgentDocument
from anthropic_metrics.documents.base import Document
from anthropic_metrics.documents.cost import NUMBERS as COST_NUMBERS
from anthropic_metrics.documents.forms import Form
from anthropic_metrics.documents.identity import Prepared, named, prepare
from anthropic_metrics.documents.rate_limit import KNOWN_LIMITS
from anthropic_metrics.documents.usage import NUMBERS as USAGE_NUMBERS
from anthropic_metrics.documents.usage import UsageDocument
from anthropic_metrics.documents.writing import Values
from anthropic_metrics.headroom.build import headroom_documents
from anthropic_metrics.headroom.limits import MEASURED, Group, Limits, Snapshot, Timeline
from anthropic_metrics.headroom.windows import windows
from anthropic_metrics.kernel.datasets import SPEND
from anthropic_metrics.kernel.frame import Frame, told_apart
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.kernel.outcome import Change
from anthropic_metrics.kernel.questions import Splits, Use
from anthropic_metrics.limits.build import rate_limit_documents
from anthropic_metrics.reports.build import cost_documents, usage_content, usage_documents
from anthropic_metrics.reports.corrections import corrections
from anthropic_metrics.spend.allocate import Allocation, Share, Unattributed
from anthropic_metrics.spend.billed import BilledHour, BilledShare, Unmatched
from anthropic_metrics.spend.build import allocated_documents, billed_documents, estimated_documents
from anthropic_metrics.spend.estimate import Estimate, Prices
from anthropic_metrics.spend.inputs import Row
from anthropic_metrics.spend.money import Usd
from anthropic_metrics.spend.rows import PART_NAMES, Counts, Used
from anthropic_metrics.spend.table import PriceTable, list_prices
from tests.harness.report_samples import BUCKET, COST_DAY, HOUR, LATER, frame, limits_frame

NAMES = Names.of(
    "org-1",
    "Acme",
    [
        Workspace(id="w1", name="Research", tags={"cost.center": "42", "team": "r"}),
        Workspace(id="w2", name="B"),
    ],
    [ApiKey(id="k1", name="nightly"), ApiKey(id="k2", name='quoted "\u2028" \x01')],
)
TEAM = {"team": "Search", "workspaces": ["w1"], "owner": "a@example.com"}
WITH_TEAMS = NAMES.with_teams(teams_of([TeamSettings.model_validate(TEAM)]))
DIMENSIONS = ("model", "workspace_id", "api_key_id", "service_tier", "inference_geo", "speed")
# A key of the Admin API in a text is redacted, in both ways.
TEXTS = st.one_of(
    st.none(), st.text(max_size=20), st.sampled_from(["w1", "w2", "k1", "sk-ant-admin-0123456789"])
)
COUNTS = st.integers(0, 2**45)
ASKED = st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=5)
USAGE = st.fixed_dictionaries(
    {
        "uncached_input_tokens": COUNTS,
        "cache_read_input_tokens": COUNTS,
        "cache_creation": st.fixed_dictionaries(
            {"ephemeral_5m_input_tokens": COUNTS, "ephemeral_1h_input_tokens": COUNTS},
            optional={"ephemeral_1d_input_tokens": COUNTS},
        ),
        "output_tokens": COUNTS,
        "server_tool_use": st.fixed_dictionaries({"web_search_requests": COUNTS}),
        **dict.fromkeys(
            ("model", "workspace_id", "api_key_id", "service_tier", "inference_geo", "speed"), TEXTS
        ),
    }
)
AMOUNTS = st.one_of(st.from_regex(r"-?[0-9]{1,30}(\.[0-9]{1,30})?", fullmatch=True), st.integers(-9, 9))
COST = st.fixed_dictionaries(
    {
        "amount": AMOUNTS,
        "currency": st.sampled_from(["USD", "usd", "EUR"]),
        **dict.fromkeys(("description", "model", "workspace_id", "token_type", "context_window"), TEXTS),
    }
)
LIMITS = st.fixed_dictionaries(
    {
        "group_type": st.text(max_size=9),
        "models": st.lists(st.text(max_size=9), max_size=3),
        "workspace_id": TEXTS,
        "limits": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from([*sorted(KNOWN_LIMITS), "new"]), "value": st.integers(0, 2**60)}
            ),
            max_size=4,
        ),
    }
)
USES = st.builds(
    Use,
    st.integers(0, 20).map(lambda minute: int(HOUR.timestamp()) + 60 * minute),
    st.sampled_from(["w1", "Default", "gone"]),
    st.sampled_from(["opus", "unlisted"]),
    st.booleans(),
    *[COUNTS] * 4,
)
DOLLARS = st.decimals(-999_999, 999_999_999, places=12).map(Usd)
PARTS = st.tuples(*[DOLLARS] * len(PART_NAMES))
SPEND_DIMENSIONS = st.fixed_dictionaries(
    {
        "model": st.sampled_from(["claude-opus-5-5", "unlisted", None]),
        **dict.fromkeys(("workspace_id", "api_key_id", "service_tier", "inference_geo"), TEXTS),
    }
)
# What the shared fields of a row of usage are in its stored document.
SHARED = st.sampled_from(
    [
        {},
        {"model": "opus", "workspace": {"id": "w1", "name": "Research", "tags": {"cost.center": "42"}}},
        {
            "workspace": {"id": "Default"},
            "api_key": {"id": "k"},
            "team": {"name": "S", "owner": "sk-ant-admin-01234"},
        },
    ]
)
WRITER = Frame.writer
MANY = settings(max_examples=300, deadline=None)


class BothWays:
    """Writes each document through its model too, and compares."""

    def __init__(self, frame: Frame, model: type[Document], category: str) -> None:
        self.writer = WRITER(frame, model, category)
        self.model, self.envelope = model, frame.envelope(category)

    def write(self, id_: str, **parts: Values) -> Prepared:
        written = self.writer.write(id_, **parts)
        assert written == prepare(id_, self.model.model_validate({**self.envelope, **parts}))
        return written

    def fill(self, id_: str, form: Form, values: tuple[bytes | int, ...]) -> Prepared:
        return self.writer.fill(id_, form, values)


@pytest.fixture(autouse=True)
def _both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    def writer(frame: Frame, model: type[Document], category: str = "api") -> BothWays:
        return BothWays(frame, model, category)

    monkeypatch.setattr(Frame, "writer", writer)


@MANY
@given(rows=st.lists(USAGE, min_size=1, max_size=4), asked=ASKED, names=st.sampled_from([NAMES, WITH_TEAMS]))
def test_usage_is_written_as_its_model_writes_it(
    rows: list[dict[str, Any]], asked: list[str], names: Names
) -> None:
    place = frame(names=names, now=HOUR, group_by=tuple(asked))
    bucket = {
        "bucket_start_time": place.bucket.start,
        "bucket_end_time": place.bucket.end,
        "bucket_width": place.width,
        "bucket_complete": place.complete,
    }
    by_model = []
    for row in rows:
        dimensions = {name: row[name] for name in asked}
        document = UsageDocument.model_validate(
            {**place.envelope(), **usage_content(dimensions, names, bucket, figures(row))}
        )
        by_model.append((named(dimensions), prepare(place.identity(dimensions), document)))
    again = [*rows, *rows]  # the second time from forms that are there
    replies = [UsageRow.model_validate(row) for row in again]
    assert usage_documents(place, replies) == told_apart(place.identities, [*by_model, *by_model])


def figures(row: dict[str, Any]) -> list[int]:
    """A row's figures in the order of its document."""
    lifetimes, output = row["cache_creation"], row["output_tokens"]
    created = sum(lifetimes.values())
    cached, uncached = row["cache_read_input_tokens"], row["uncached_input_tokens"]
    given = uncached + cached + created
    short, long = lifetimes["ephemeral_5m_input_tokens"], lifetimes["ephemeral_1h_input_tokens"]
    searches = row["server_tool_use"]["web_search_requests"]
    return [uncached, cached, created, short, long, output, searches, given, given + output, given, output]


@MANY
@given(rows=st.lists(COST, min_size=1, max_size=4))
def test_cost_is_written_as_its_model_writes_it(rows: list[dict[str, Any]]) -> None:
    place = frame("cost", COST_DAY, WITH_TEAMS)
    assert len(cost_documents(place, [CostRow.model_validate(row) for row in rows])) == len(rows)


@MANY
@given(groups=st.lists(LIMITS, min_size=1, max_size=3))
def test_rate_limits_are_written_as_their_model_writes_them(groups: list[dict[str, Any]]) -> None:
    found = rate_limit_documents(limits_frame(), [RateLimitGroup.model_validate(group) for group in groups])
    assert len(found) == len(groups)


@MANY
@given(uses=st.lists(USES, min_size=1, max_size=6), limit=st.integers(0, 2**60), asked=st.booleans())
def test_headroom_is_written_as_its_model_writes_it(uses: list[Use], limit: int, asked: bool) -> None:
    whole = Group("g", "Opus", frozenset({"opus"}), dict.fromkeys(MEASURED, limit))
    own = Group("g", "Opus", frozenset({"opus"}), dict.fromkeys(MEASURED, limit // 2))
    limits = Limits(Timeline([Snapshot(0, (whole,))]), {"w1": Timeline([Snapshot(0, (own,))])})
    found = windows(uses, limits, Splits(speeds=asked, tiers=asked))
    ended = HOUR + timedelta(minutes=12)
    assert len(list(headroom_documents(found, NAMES, "default", LATER, ended))) == len(found)


@MANY
@given(
    dimensions=SPEND_DIMENSIONS,
    shared=SHARED,
    counts=st.tuples(*[st.integers(0, 2**40)] * 6),
    amount=st.one_of(st.none(), DOLLARS),
    parts=PARTS,
    flag=st.booleans(),
)
def test_spend_is_written_as_its_model_writes_it(
    dimensions: dict[str, str | None],
    shared: dict[str, Any],
    counts: tuple[int, ...],
    amount: Usd | None,
    parts: tuple[Usd, ...],
    flag: bool,
) -> None:
    place, day = Frame(SPEND, "default", COST_DAY, WITH_TEAMS, LATER), COST_DAY.start.date()
    prices = Prices(day, DIMENSIONS[:5], {}, PriceTable(()), list_prices())
    used = Used(HOUR, dimensions, Counts(*counts), "a row")
    bucket = {
        "bucket_start_time": BUCKET.start,
        "bucket_end_time": BUCKET.end,
        "bucket_width": "1h",
        "bucket_complete": flag,
    }
    row = Row(used, bucket, shared)
    estimated = Estimate(used, amount, parts, "list" if flag else "none", counts[0], counts[1])
    rest = Unattributed("tokens" if flag else None, dimensions, parts[0], parts)
    shares = Allocation(day, (Share(used, amount, parts, flag),), (rest,))
    line = Unmatched(dimensions, "tokens" if flag else None, parts[0], parts, parts[1])
    billed = BilledShare(list(parts), parts[0], counts[5] if flag else None, has_cost=flag)
    hour = BilledHour({used.id: billed}, (line,))
    documents = [
        *estimated_documents([(row, estimated)], prices, place),
        *allocated_documents(shares, {used.id: row}, {"w1": shared}, prices, place),
        *billed_documents(HOUR, hour, [row], prices, place),
    ]
    assert len(documents) == 5
    assert not any(b"sk-ant-admin" in document.body for document in documents)


@MANY
@given(
    before=USAGE, after=st.one_of(st.none(), USAGE), amounts=st.tuples(AMOUNTS, AMOUNTS), names=st.booleans()
)
def test_corrections_are_written_as_their_model_writes_them(
    before: dict[str, Any], after: dict[str, Any] | None, amounts: tuple[Any, Any], names: bool
) -> None:
    place = frame(names=NAMES if names else WITH_TEAMS, group_by=DIMENSIONS[:5])
    sources = [
        usage_documents(place, [UsageRow.model_validate(row)])[0].source for row in (before, after or before)
    ]
    changes = [Change("a", ".ds-1", 4, sources[0], sources[1] if after else None)]
    money = frame("cost", COST_DAY)
    costs = [cost_documents(money, [CostRow(amount=amount, currency="USD")])[0].source for amount in amounts]
    changes.append(Change("b", ".ds-2", 5, *costs))
    for document in corrections(changes, "s", [*USAGE_NUMBERS, *COST_NUMBERS], LATER):
        source = document.source
        del source["event"]["hash"]
        assert document == prepare(document.id, AgentDocument.model_validate(source))
