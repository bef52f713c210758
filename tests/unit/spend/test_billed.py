"""An hour of the cost analytics report on the hour's rows of usage: both spellings, shares, and the rest."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from anthropic_metrics.admin_api.rows import CostItem, UsageItem
from anthropic_metrics.spend.billed import (
    BilledHour,
    bill_hour,
    dimensions_of,
    joined,
    other_ids,
    people_of_items,
    people_of_rows,
)
from anthropic_metrics.spend.money import usd
from anthropic_metrics.spend.rows import Counts, Used

HOUR = datetime(2026, 11, 20, 9, tzinfo=UTC)
GROUPED = ("workspace_id", "api_key_id", "model", "service_tier", "inference_geo")
TIMES = {"starting_at": "2026-11-20T09:00:00Z", "ending_at": "2026-11-20T10:00:00Z"}
KNOWN = ("wrkspc_a",)


def used(id_: str, counts: Counts, **dimensions: str | None) -> Used:
    usual = {
        "workspace_id": "wrkspc_a",
        "api_key_id": "apikey_a",
        "model": "claude-opus-5-5",
        "service_tier": "standard",
        "inference_geo": "global",
    }
    return Used(HOUR, usual | dimensions, counts, id_)


def group(**values: Any) -> dict[str, Any]:
    return dict(used("", Counts()).dimensions) | values


def cost(amount: str, **values: Any) -> CostItem:
    """A row of the report; `listed` is its amount before discounts, else the same."""
    listed = values.pop("listed", amount)
    of = group(**({"cost_type": "tokens", "token_type": "output_tokens"} | values))
    money = {"amount": amount, "list_amount": listed, "currency": "USD", "requests": None}
    return CostItem.model_validate({**TIMES, "group": of, "cost": money})


def use(requests: int | None, **values: Any) -> UsageItem:
    counts = {
        "uncached_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 1,
        "server_tool_use": {"web_search_requests": 0},
        "total_tokens": 1,
        "requests": requests,
    }
    return UsageItem.model_validate({**TIMES, "group": group(**values), "usage": counts})


def bill(rows: list[Used], costs: list[CostItem], uses: list[UsageItem] | None = None) -> BilledHour:
    return bill_hour(rows, costs, uses or [], GROUPED, KNOWN)


def test_the_reports_spelling_is_read_by_what_usage_shows() -> None:
    row = used(
        "r",
        Counts(output=5),
        workspace_id="Default",
        api_key_id="Console",
        model="claude-haiku-4-5-20251001",
        inference_geo="not_available",
    )
    there = {
        "workspace_id": "wrkspc_d",
        "api_key_id": None,
        "model": "claude-haiku-4-5",
        "inference_geo": None,
    }
    found = bill([row], [cost("250.5", **there)], [use(7, **there)])
    assert found.unmatched == ()
    assert (found.shares["r"].amount, found.shares["r"].requests) == (usd("2.505"), 7)


def test_a_workspace_that_has_a_name_is_not_taken_for_the_default_one() -> None:
    row = used("r", Counts(output=5), workspace_id="Default")
    found = bill([row], [cost("100")])
    assert found.shares == {}
    assert found.unmatched[0].dimensions["workspace_id"] == "wrkspc_a"


def test_rows_that_the_report_does_not_tell_apart_share_by_their_tokens_of_the_type() -> None:
    rows = [
        used("old", Counts(output=1, uncached_input=9), model="claude-haiku-4-5-20251001"),
        used("new", Counts(output=2), model="claude-haiku-4-5-20260301"),
    ]
    found = bill(rows, [cost("100", model="claude-haiku-4-5")], [use(5, model="claude-haiku-4-5")])
    assert found.shares["old"].amount == usd("0.3333333333")
    assert found.shares["new"].amount == usd("0.6666666667")
    assert (found.shares["old"].requests, found.shares["new"].requests) == (4, 1)


def test_what_fits_no_row_stands_by_itself() -> None:
    row = used("r", Counts(output=5))
    nothing = {"api_key_id": None, "model": None, "service_tier": None, "inference_geo": None}
    found = bill(
        [row],
        [
            cost("1", api_key_id="apikey_b"),
            cost("2", api_key_id="apikey_b", token_type="uncached_input_tokens"),
            cost("4", cost_type="code_execution", token_type=None, **nothing),
            cost("8", token_type="uncached_input_tokens"),  # the row has none
        ],
    )
    assert found.shares == {}
    other, code, own = sorted(found.unmatched, key=lambda line: line.amount)
    assert (other.amount, other.dimensions["api_key_id"]) == (usd("0.03"), "apikey_b")
    assert (code.cost_type, code.dimensions["api_key_id"]) == ("code_execution", None)
    assert code.dimensions["workspace_id"] == "wrkspc_a"
    assert own.amount == usd("0.08")


def test_a_web_search_without_a_model_is_shared_by_searches() -> None:
    rows = [used("one", Counts(web_search=1)), used("two", Counts(web_search=3), model="claude-fable-5-2")]
    line = cost(
        "4", cost_type="web_search", token_type=None, model=None, service_tier=None, inference_geo=None
    )
    found = bill(rows, [line])
    assert (found.shares["one"].amount, found.shares["two"].amount) == (usd("0.01"), usd("0.03"))


def test_a_row_without_a_cost_has_none_of_the_report() -> None:
    found = bill([used("r", Counts(output=5))], [], [use(3)])
    assert (found.shares["r"].has_cost, found.shares["r"].requests) == (False, 3)


def test_an_hour_without_usage_has_the_default_workspace_for_one_that_no_list_has() -> None:
    found = bill([], [cost("100", workspace_id="wrkspc_d"), cost("200")])
    assert [line.dimensions["workspace_id"] for line in found.unmatched] == ["Default", "wrkspc_a"]


def test_a_row_in_another_currency_is_left_out_and_the_others_are_not() -> None:
    foreign = cost("900")
    euros = foreign.model_copy(update={"cost": foreign.cost.model_copy(update={"currency": "EUR"})})
    found = bill([used("r", Counts(output=5))], [euros, cost("100")])
    assert (found.shares["r"].has_cost, found.amount) == (True, usd("1"))


def test_a_line_of_another_kind_stands_by_itself_though_it_names_tokens() -> None:
    found = bill([used("r", Counts(output=5))], [cost("100", cost_type="session_usage")])
    assert found.shares == {}
    assert (found.unmatched[0].cost_type, found.unmatched[0].parts[-1]) == ("session_usage", usd("1"))


def test_requests_that_are_not_told_are_not_counted_and_rows_without_tokens_have_none() -> None:
    rows = [used("r", Counts(output=5)), used("empty", Counts(web_search=1))]
    assert bill(rows, [], [use(None)]).shares == {}
    found = bill(rows, [], [use(3)]).shares
    assert (found["r"].requests, found["empty"].requests) == (3, 0)


def test_a_search_that_names_its_model_is_shared_by_that_models_rows_alone() -> None:
    rows = [used("one", Counts(web_search=1)), used("two", Counts(web_search=3), model="claude-fable-5-2")]
    nothing = {"token_type": None, "service_tier": None, "inference_geo": None}
    found = bill(rows, [cost("4", cost_type="web_search", model="claude-fable-5-2", **nothing)])
    assert set(found.shares) == {"two"}


def test_an_amount_and_its_list_price_are_kept_apart_with_usage_and_without() -> None:
    lines = [cost("100", listed="120"), cost("200", listed="250", api_key_id="apikey_b")]
    lines.append(cost("50", listed="60", api_key_id="apikey_b", token_type="uncached_input_tokens"))
    found = bill([used("r", Counts(output=5))], lines)
    assert (found.shares["r"].amount, found.shares["r"].listed) == (usd("1"), usd("1.2"))
    (rest,) = found.unmatched
    assert (rest.amount, rest.listed, sum(rest.parts)) == (usd("2.5"), usd("3.1"), usd("2.5"))


def test_an_unknown_geo_is_one_however_usage_spells_it() -> None:
    for spelled in (None, "not_available"):
        rows = [
            used("r", Counts(output=5), inference_geo=spelled),
            used("us", Counts(output=5), inference_geo="us"),
        ]
        assert set(bill(rows, [cost("100", inference_geo=None)]).shares) == {"r"}


def test_an_actor_without_an_id_is_nobody() -> None:
    assert people_of_items([cost("1", actor={"type": "user_actor", "user_id": None})]) == set()
    assert people_of_items([cost("1", actor={"type": "api_actor", "user_id": "user_a"})]) == set()


def test_the_reports_are_grouped_by_what_both_know_and_people_by_their_actor() -> None:
    assert dimensions_of(("model", "workspace_id")) == ("workspace_id", "model")
    people = ("model", "account_id", "service_account_id", "workspace_id", "speed")
    assert joined(people) == ("workspace_id", "account_id", "service_account_id", "model", "speed")
    assert dimensions_of(people) == ("workspace_id", "actor", "model", "speed")


PERSON = {"type": "user_actor", "user_id": "user_a", "name": "Ann", "email_address": None, "deleted": False}
SERVICE = {"type": "service_account_actor", "service_account_id": "svac_a"}
KEY = {"type": "api_actor", "api_key_id": "apikey_a"}
BY_PERSON = ("model", "account_id", "service_account_id")


def by_person(account: str | None, service: str | None, output: int) -> Used:
    dimensions = {"model": "claude-opus-5-5", "account_id": account, "service_account_id": service}
    return Used(HOUR, dimensions, Counts(output=output), f"{account} {service}")


def test_people_and_service_accounts_are_joined_by_their_actor() -> None:
    rows = [by_person("user_a", None, 5), by_person(None, "svac_a", 5), by_person(None, None, 5)]
    costs = [
        cost("100", actor=PERSON),
        cost("200", actor=SERVICE),
        cost("400", actor=KEY),
        cost("800", actor=None),
    ]
    found = bill_hour(rows, costs, [use(3, actor=PERSON)], BY_PERSON, KNOWN)
    assert found.unmatched == ()
    amounts = {id_: share.amount for id_, share in found.shares.items()}
    assert amounts == {"user_a None": usd("1"), "None svac_a": usd("2"), "None None": usd("12")}
    assert found.shares["user_a None"].requests == 3


def test_use_of_nobody_known_is_not_spread_over_people() -> None:
    rows = [by_person("user_a", None, 5), by_person("user_b", None, 5)]
    found = bill_hour(rows, [cost("100", actor=KEY)], [], BY_PERSON, KNOWN)
    assert found.shares == {}
    assert found.unmatched[0].dimensions["account_id"] is None


def test_other_ids_of_people_are_noticed_and_other_people_are_not() -> None:
    costs = [cost("100", actor=PERSON), cost("100", actor=SERVICE), cost("1", actor=KEY)]
    assert people_of_items(costs) == {"user_a", "svac_a"}
    assert people_of_rows([by_person("user_b", None, 5), by_person(None, "svac_b", 5)]) == {
        "user_b",
        "svac_b",
    }
    assert not other_ids({"user_b"}, {"user_a"})
    assert not other_ids({"acct_b"}, set())
    assert not other_ids(set(), {"user_a"})
    assert other_ids({"acct_b"}, {"user_a", "svac_a"})


DIMENSIONS = st.fixed_dictionaries(
    {
        "api_key_id": st.sampled_from(["apikey_a", "apikey_b"]),
        "model": st.sampled_from(["claude-haiku-4-5", "claude-opus-5-5"]),
        "inference_geo": st.sampled_from(["us", "global"]),
    }
)
AMOUNTS = st.decimals(min_value=-10, max_value=10_000, places=12, allow_nan=False).map(
    lambda d: format(d, "f")
)
TOKEN_TYPES = st.sampled_from(["output_tokens", "uncached_input_tokens", "cache_read_input_tokens"])


@settings(max_examples=200)
@given(
    st.lists(st.tuples(DIMENSIONS, st.integers(0, 9), st.integers(0, 9)), max_size=8),
    st.lists(st.tuples(DIMENSIONS, TOKEN_TYPES, AMOUNTS), max_size=12),
)
def test_shares_and_the_rest_add_up_to_the_report(
    rows: list[tuple[dict[str, str], int, int]], lines: list[tuple[dict[str, str], str, str]]
) -> None:
    usage = [
        used(str(number), Counts(output=output, uncached_input=uncached), **dimensions)
        for number, (dimensions, output, uncached) in enumerate(rows)
    ]
    costs = [cost(amount, token_type=kind, **dimensions) for dimensions, kind, amount in lines]
    found = bill(usage, costs)
    assert found.amount * 100 == sum(Decimal(item.cost.amount) for item in costs)
    assert bill(usage, costs[::-1]).amount == found.amount
