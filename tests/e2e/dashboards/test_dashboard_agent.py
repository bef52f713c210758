"""What the agent did, compared with its own documents."""

from __future__ import annotations

from anthropic_metrics.kibana.ask import since
from tests.harness.dashboard_truth import DAY, by, day_of, instant, truth
from tests.harness.dashboard_world import NOW, UNBILLED, asked, minute, said
from tests.harness.world import World


def test_the_agent_s_figures_are_those_of_its_documents(filled: World) -> None:
    documents = filled.sources("agent")
    polls = [doc["anthropic"]["poll"] for doc in documents if doc["event"]["action"] == "poll"]
    corrections = [
        doc["anthropic"]["correction"] for doc in documents if doc["event"]["action"] == "correction"
    ]
    assert corrections
    assert said(filled, "agent: Polls") == {"polls": len(polls), "failed": 0}
    assert said(filled, "agent: Corrections") == {"corrections": len(corrections)}
    assert said(filled, "agent: Requests to the Admin API") == {
        "requests": sum(poll["requests"] for poll in polls),
        "retries": sum(poll["retries"] for poll in polls),
    }
    assert said(filled, "agent: Documents written") == {
        "written": sum(poll["created"] + poll["replaced"] + poll["deleted"] for poll in polls),
        "kept": sum(poll["kept"] for poll in polls),
    }
    assert said(filled, "agent: Rows that did not arrive") == {"lost": 0}
    shown = asked(filled, "agent: The newest corrections, old and new figure").records()
    assert {r["figure"] for r in shown} == {"cost, USD"}
    assert sorted((r["old"], r["new"]) for r in shown) == sorted(
        (each["old"] / 100, each["new"] / 100) for each in corrections
    )
    reasons = asked(filled, "agent: Corrections by stream and reason").records()
    for why in ("late", "revised", "vanished"):
        assert sum(r[why] for r in reasons) == sum(each["why"] == why for each in corrections)
    for record in asked(filled, "agent: Rows that did not arrive, by stream").records():
        own = [poll for poll in polls if poll["stream"] == record["anthropic.poll.stream"]]
        assert record["rows"] == sum(poll["rows"] for poll in own)
    for record in asked(filled, "agent: Freshness of each stream").records():
        own = [poll for poll in polls if poll["stream"] == record["anthropic.poll.stream"]]
        assert record["polls"] == len(own)
        assert record["idle"] == 0
        read = [instant(poll["newest_data"]) for poll in own if "newest_data" in poll]
        assert record["newest"] == (minute(max(read)) if read else None)


def test_tokens_of_a_model_that_a_settled_bill_leaves_out_have_no_price(filled: World) -> None:
    """Days without any bill do not count, nor the last two. Searches and code have lines without a model."""
    t = truth(filled, since("now-7d/d", NOW), NOW)
    settled = day_of(NOW) - DAY
    billed = {(row["time"], row["model"]) for row in t.costs}
    days = {day for day, _ in billed}
    used = by([row | {"day": day_of(row["time"])} for row in t.usage], ["model", "day"], "tokens")
    wanted = {
        (model, day): tokens
        for (model, day), tokens in used.items()
        if tokens and day in days and day < settled and (day, model) not in billed
    }
    unbilled = {(model, day_of(day)) for model, day in UNBILLED if model}
    assert wanted.keys() == {(model, day) for model, day in unbilled if day < settled} < unbilled
    assert said(filled, "agent: Tokens without a price") == {"tokens": sum(wanted.values()), "models": 2}
    records = asked(filled, "agent: Models without a price").records()
    for record in records:
        own = {day: tokens for (model, day), tokens in wanted.items() if model == record["anthropic.model"]}
        assert (record["days"], record["tokens"]) == (len(own), sum(own.values()))
        assert (record["first_day"], record["last_day"]) == (f"{min(own):%Y-%m-%d}", f"{max(own):%Y-%m-%d}")
    assert [record["tokens"] for record in records] == sorted((r["tokens"] for r in records), reverse=True)
    assert len(records) == 2
    later = day_of(NOW) - 3 * DAY
    assert said(filled, "agent: Tokens without a price", start=later) == {"tokens": 0, "models": 0}
