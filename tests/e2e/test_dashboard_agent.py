"""What the agent did, compared with its own documents."""

from __future__ import annotations

from dashboard_truth import instant
from dashboard_world import asked, said
from world import World


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
    assert sorted((r["anthropic.correction.old"], r["anthropic.correction.new"]) for r in shown) == sorted(
        (each["old"], each["new"]) for each in corrections
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
        assert (instant(record["newest"]) if record["newest"] else None) == max(read, default=None)
