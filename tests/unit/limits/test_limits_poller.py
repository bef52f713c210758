"""The rate limits as far as they can be read: one part that fails costs itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import pytest

from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.config import Config
from anthropic_metrics.errors import AuthError, BadRequest, BrokenContract, RetryLater
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.limits.poller import RateLimitPoller
from anthropic_metrics.limits.rounds import longest_round, share

NOW = datetime(2026, 11, 20, 9, 42, tzinfo=UTC)
GOOD = {"type": "requests_per_minute", "value": 50}


def group(*limits: Any) -> dict[str, Any]:
    return {"type": "rate_limit", "group_type": "model_group", "models": ["m"], "limits": list(limits)}


class Api:
    """Two workspaces; the answers that `changed` names by the last part of their path are others."""

    organization_id = None

    def __init__(self, **changed: Any) -> None:
        self.answers: dict[str, Any] = {
            "organizations": [group(GOOD)],
            "w1": [group(GOOD)],
            "w2": [group(GOOD)],
            "workspaces": [{"id": "w1", "name": "one"}, {"id": "w2", "name": "two"}],
            "api_keys": [],
        } | changed

    def get(self, path: str, params: Any = (), **_: Any) -> Any:
        if path.endswith("/me"):
            return {"id": "org-1", "name": "Acme"}
        parts = path.split("/")
        answer = self.answers[parts[-2] if parts[-1] == "rate_limits" else parts[-1]]
        if isinstance(answer, Exception):
            raise answer
        return {"data": answer, "has_more": False}


class Written:
    """In place of the streams."""

    def reconcile(self, stream: str, window: Any, documents: Sequence[Any], **_: Any) -> Outcome:
        self.scopes = sorted(
            document.source["anthropic"]["rate_limit"].get("workspace_id", "-") for document in documents
        )
        return Outcome(created=len(documents))


def keep(**changed: Any) -> tuple[Tally, list[str], set[str | None]]:
    """What was counted, the scopes that were written, and those whose changes were looked for."""
    compared: set[str | None] = set()

    def before(_: Any, scopes: Any) -> dict[Any, Any]:
        compared.update(scopes)
        return {}

    history = SimpleNamespace(before=before)
    ask = SimpleNamespace(refresh=lambda _: True, limit_history=lambda *_: history)
    api, written, tally = cast(Any, Api(**changed)), Written(), Tally("rate_limits", "s")
    poller = RateLimitPoller(Config(), api, Inventory(AdminDirectory(api)), clock=lambda: NOW)
    poller.keep(Sink(cast(Any, written), lambda _: None, cast(Any, ask)), tally, every_workspace=True)
    return tally, written.scopes, compared


@pytest.mark.parametrize(
    "failure", [AuthError("403", status=403), BadRequest("400"), BrokenContract("no list")]
)
def test_a_workspace_whose_limits_are_refused_is_named_and_the_others_are_written(
    failure: Exception,
) -> None:
    tally, scopes, compared = keep(w1=failure)
    assert scopes == ["-", "w2"]
    assert (tally.done, tally.bad_rows) == (False, 1)
    assert tally.answers.bad_rows == [("rate_limits of w1", str(failure))]
    assert compared == {None, "w2"}


def test_a_limit_without_a_value_is_named_and_its_group_is_written() -> None:
    nothing = {"type": "output_tokens_per_minute", "value": None}
    tally, scopes, compared = keep(organizations=[group(GOOD, nothing)])
    assert scopes == ["-", "w1", "w2"]
    assert tally.answers.bad_rows[0][0] == "rate_limits row 0 limit 1"
    # A limit that could not be read has not been removed.
    assert compared == {"w1", "w2"}


def test_a_limit_of_a_type_nobody_knows_is_written_and_named() -> None:
    tally, scopes, _ = keep(w1=[group(GOOD, {"type": "images_per_hour", "value": 3})])
    assert tally.done
    assert scopes == ["-", "w1", "w2"]
    assert tally.answers.unknown_fields == {"limits.images_per_hour": 1}


def test_a_refused_key_is_no_failure_of_one_workspace() -> None:
    with pytest.raises(AuthError):
        keep(w1=AuthError("401"))


def test_what_was_read_before_the_api_went_away_is_written() -> None:
    tally, scopes, compared = keep(w2=RetryLater("away"))
    assert scopes == ["-", "w1"]
    assert compared == {None, "w1"}
    assert tally.failures == ["away"]
    with pytest.raises(RetryLater):
        keep(organizations=RetryLater("away"))


def test_a_workspace_id_that_cannot_be_asked_for_costs_itself() -> None:
    spaces = [{"id": "..", "name": "odd"}, {"id": "w2", "name": "two"}]
    tally, scopes, _ = keep(workspaces=spaces)
    assert scopes == ["-", "w2"]
    assert tally.answers.bad_rows[0][0] == "rate_limits of .."


def polls(spaces: int, near: dict[str, int], turns: int) -> list[list[str]]:
    """The workspaces that each live poll of a process reads, a quarter of an hour apart."""
    names = [f"w{number}" for number in range(spaces)]
    listed = [{"id": name, "name": name} for name in names]
    api = cast(Any, Api(**{name: [group(GOOD)] for name in names}, workspaces=listed))
    above = "anthropic.headroom.minutes_above_80"
    scope = "anthropic.headroom.workspace_id"
    asked: list[Any] = []

    def groups(stream: str, organization: str, span: Any, by: Any, fields: Any) -> list[Any]:
        asked.append((stream, organization, span.end - span.start))
        return [({scope: w}, {above: count}) for w, count in near.items()]

    history = SimpleNamespace(before=lambda *_: {})
    ask = SimpleNamespace(refresh=lambda _: True, limit_history=lambda *_: history, groups=groups)
    now, read = NOW, []
    written = Written()
    poller = RateLimitPoller(Config(), api, Inventory(AdminDirectory(api)), clock=lambda: now)
    (job,) = poller.live(Sink(cast(Any, written), lambda _: None, cast(Any, ask)))
    for _ in range(turns):
        job.run(Tally("rate_limits", "s"))
        read.append([each for each in written.scopes if each != "-"])
        now += timedelta(minutes=15)
    assert set(asked) <= {("metrics-anthropic_metrics.headroom-default", "org-1", timedelta(hours=1))}
    return read


def test_a_process_begins_with_every_workspace_and_then_reads_each_once_an_hour() -> None:
    first, *later = polls(8, {}, 5)
    assert first == [f"w{number}" for number in range(8)]
    assert [len(each) for each in later] == [2, 2, 2, 2]
    assert sorted(workspace for each in later for workspace in each) == first


def test_a_workspace_near_a_limit_is_read_at_every_poll() -> None:
    _, *later = polls(4, {"w3": 2, "w1": 0}, 5)
    assert [("w3" in each) for each in later] == [True] * 4
    assert sum(len(each) for each in later) == 4 + 3


def test_of_many_workspaces_near_a_limit_those_above_it_longest_are_read_at_every_poll() -> None:
    _, second = polls(60, {f"w{number}": number + 1 for number in range(60)}, 2)
    assert len(second) <= 2 * 20
    assert {f"w{number}" for number in range(40, 60)} <= set(second)


def test_a_poll_that_jitter_moved_past_a_slot_takes_the_turn_of_that_slot_too() -> None:
    hour = timedelta(hours=1)
    workspaces = [f"w{number}" for number in range(100)]
    polls = [NOW.replace(minute=59, second=59), NOW.replace(hour=11, minute=0, second=1)]
    turn = [set(share(workspaces, last, last + hour, hour)) for last in (polls[0] - hour, polls[0])]
    late = share(workspaces, polls[0], polls[1], hour)
    assert set(late) == turn[1] | set(share(workspaces, polls[1] - hour, polls[1], hour))
    assert len(late) == 40
    # After a long sleep each has its turn once; in one slot, and under a clock set back, there is one turn.
    assert sorted(share(workspaces, NOW - 30 * hour, NOW, hour)) == sorted(workspaces)
    assert len(share(workspaces, NOW, NOW, hour)) == len(share(workspaces, NOW + 9 * hour, NOW, hour)) == 20


def test_workspaces_that_an_interrupted_poll_did_not_come_to_are_read_at_the_next_one() -> None:
    names = [f"w{number}" for number in range(4)]
    api = Api(
        **{name: [group(GOOD)] for name in names}, workspaces=[{"id": name, "name": name} for name in names]
    )
    api.answers["w1"] = RetryLater("away")
    history = SimpleNamespace(before=lambda *_: {})
    ask = SimpleNamespace(refresh=lambda _: True, limit_history=lambda *_: history, groups=lambda *_: [])
    written = Written()
    poller = RateLimitPoller(
        Config(), cast(Any, api), Inventory(AdminDirectory(cast(Any, api))), clock=lambda: NOW
    )
    (job,) = poller.live(Sink(cast(Any, written), lambda _: None, cast(Any, ask)))
    job.run(Tally("rate_limits", "s"))
    assert written.scopes == ["-", "w0"]
    # One that stays away keeps none of the others waiting.
    job.run(Tally("rate_limits", "s"))
    assert {"w2", "w3"} <= set(written.scopes)
    api.answers["w1"] = [group(GOOD)]
    job.run(Tally("rate_limits", "s"))
    assert "w1" in written.scopes


def test_every_workspace_has_its_turn_within_the_longest_round() -> None:
    workspaces, quarter = [f"wrkspc_{n}" for n in range(500)], timedelta(minutes=15)
    for whole_round in (timedelta(hours=1), timedelta(days=2)):
        polls = longest_round(quarter, whole_round) // quarter
        times = [NOW + n * quarter for n in range(polls + 1)]
        read = [share(workspaces, last, now, quarter, whole_round) for last, now in pairwise(times)]
        assert {one for turn in read for one in turn} == set(workspaces)
        assert {one for turn in read[1:] for one in turn} < set(workspaces)
