"""One total, whatever it is grouped by; and names that cannot be told apart are."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from itertools import combinations

import pytest

from anthropic_metrics.errors import ConfigError
from anthropic_metrics.finance.charges import UNATTRIBUTED
from anthropic_metrics.finance.grouping import TAG, By, Labels, group, key_notes, parse_by, subtotals, summed
from anthropic_metrics.kernel.names import NamedWorkspace
from anthropic_metrics.spend.money import total, usd
from tests.harness.finance_samples import TEAMS, charge, names

CHARGES = [
    charge("1.0000000001", key="apikey_1"),
    charge("2.5", "wrkspc_b", key="apikey_2"),
    charge("0.25", "wrkspc_c", key="apikey_2", day=date(2026, 10, 6)),
    charge("0.1", "Default", key="Console"),
    charge("3", "wrkspc_c", key=UNATTRIBUTED, cost_type="code_execution", quantity=0),
]
EARLIER = [charge("0.5", key="apikey_1"), charge("7", "wrkspc_gone", key="apikey_9")]
WAYS = ("team", "workspace", "key", "model", "day", f"{TAG}team")


def test_every_grouping_has_the_same_total_and_keeps_what_only_the_month_before_had() -> None:
    known = names(*TEAMS)
    labels, whole = Labels(known), total(each.amount for each in CHARGES)
    for count in (1, 2, 3):
        for ways in combinations(WAYS, count):
            found = group(CHARGES, By(ways), labels, before=EARLIER)
            assert summed(found).amount == whole == summed(list(subtotals(found))).amount, ways
            if "day" not in ways:
                assert summed(found).before == usd("7.5"), ways


def test_the_first_team_that_matches_has_the_charge_and_the_rest_is_unassigned() -> None:
    found = group(CHARGES, By(("team",)), Labels(names(*TEAMS)))

    assert {each.labels[0]: each.amount for each in found} == {
        "Unassigned": usd("3.1"),
        "night": usd("2.75"),
        "platform": usd("1.0000000001"),
    }


def test_workspaces_that_share_a_name_are_told_apart_by_their_ids() -> None:
    found = group(CHARGES, By(("workspace",)), Labels(names()))

    assert [each.labels[0] for each in found] == ["Lab", "Prod (wrkspc_b)", "Prod (wrkspc_a)", "Default"]


def test_a_key_without_a_name_is_explained_where_it_appears() -> None:
    told = list(key_notes(["apikey_1", "Console", None, "apikey_gone"], names()))

    assert [note.split(" is ")[0] for note in told[:2]] == ["`Console`", "`Unattributed`"]
    assert told[2:] == ["The Admin API has no name for keys that were deleted: apikey_gone."]
    assert list(key_notes(["apikey_1"], names())) == []


def test_outer_groups_stand_by_their_sum_and_days_in_their_order() -> None:
    found = group(CHARGES, By(("workspace", "day")), Labels(names()))

    assert [each.labels for each in found][:2] == [("Lab", "2026-10-05"), ("Lab", "2026-10-06")]
    assert [each.labels[0] for each in subtotals(found)][:2] == ["Lab", "Prod (wrkspc_b)"]


def test_the_part_that_is_not_settled_is_counted_apart() -> None:
    (found,) = group(CHARGES, By(("model",)), Labels(names()), open_days={date(2026, 10, 6)})

    assert found.open_amount == usd("0.25")


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["taem"], "--by: cannot group by this; did you mean team?"),
        (["colour"], "known are team, workspace, key, person, model, line, day and tag:NAME"),
        ([f"{TAG}tem"], "--by tag: no workspace has this tag; did you mean team?"),
        (["key,line"], "a line of the bill names neither keys"),
        (["team,line"], "a line of the bill names neither keys"),
        (["model,model"], "names something twice"),
        (["model", "model"], "the same grouping is named twice"),
    ],
)
def test_a_grouping_that_cannot_be_is_refused_with_what_can(texts: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_by(texts, names(*TEAMS))

    assert said in str(caught.value)


def test_without_teams_the_grouping_by_team_says_where_they_are_written() -> None:
    with pytest.raises(ConfigError, match="the configuration has no teams"):
        parse_by(["team"], names())


def test_teams_of_workspaces_and_tags_need_no_keys() -> None:
    assert not By(("team",)).needs_keys(names(TEAMS[0]))
    assert By(("team",)).needs_keys(names(*TEAMS))
    assert By(("workspace", "key")).needs_keys(names())


def test_each_way_has_a_name_for_what_has_none() -> None:
    nowhere = charge("1", "", dimensions={}, cost_type=None)
    labels = Labels(names())
    found = {way: labels.of(nowhere, By((way,)))[0] for way in (*WAYS[1:], "person", "line")}
    assert found == {
        "workspace": "(no workspace)",
        "key": "Unattributed",
        "model": "(no model)",
        "day": "2026-10-05",
        "tag:team": "Untagged",
        "person": "Unattributed",
        "line": "(no description)",
    }
    described = charge("1", description="Output tokens", cost_type="tokens")
    assert labels.of(described, By(("line",))) == ("Output tokens",)
    assert labels.of(charge("1", cost_type="code_execution"), By(("line",))) == ("code_execution",)


def test_a_tag_s_value_a_key_s_name_and_a_person_are_labels() -> None:
    labels = Labels(names())
    tagged = charge("1", key="apikey_1")
    person = charge("1", dimensions={"person": "ann"})
    assert labels.of(tagged, By(("tag:team", "key"))) == ("platform", "assistant")
    assert labels.of(charge("1", key="Console"), By(("key",))) == ("Console",)
    assert labels.of(person, By(("person",))) == ("ann",)


def test_keys_that_share_a_name_are_told_apart_by_their_ids() -> None:
    known = replace(names(), api_keys={"apikey_1": "same", "apikey_2": "same", "apikey_3": "other"})
    charges = [charge("1", key="apikey_1"), charge("2", key="apikey_2"), charge("3", key="apikey_3")]
    found = group(charges, By(("key",)), Labels(known))
    assert [each.labels[0] for each in found] == ["other", "same (apikey_2)", "same (apikey_1)"]


def test_what_somebody_named_like_the_default_workspace_or_the_console_is_told_apart_from_it() -> None:
    called = {"wrkspc_d": NamedWorkspace("Default")}
    known = replace(names(), workspaces=called, api_keys={"apikey_1": "Console", "apikey_2": "Unattributed"})
    charges = [
        charge("1", "Default", key="Console"),
        charge("2", "wrkspc_d", key="apikey_1"),
        charge("4", "wrkspc_d", key="apikey_2"),
        charge("8", "wrkspc_d", key=UNATTRIBUTED),
    ]
    by_workspace = group(charges, By(("workspace",)), Labels(known))
    assert {each.labels[0]: str(each.amount) for each in by_workspace} == {
        "Default": "1",
        "Default (wrkspc_d)": "14",
    }
    by_key = group(charges, By(("key",)), Labels(known))
    assert {each.labels[0]: str(each.amount) for each in by_key} == {
        "Console": "1",
        "Console (apikey_1)": "2",
        "Unattributed (apikey_2)": "4",
        "Unattributed": "8",
    }


def test_a_group_has_its_tokens_its_change_and_the_dearest_part_first() -> None:
    found = group(CHARGES, By(("workspace", "key")), Labels(names()), before=EARLIER)
    lab = [each for each in found if each.labels[0] == "Lab"]
    assert [(each.labels[1], each.tokens) for each in lab] == [("Unattributed", 0), ("nightly", 1000)]
    (assistant,) = (each for each in found if each.labels[1] == "assistant")
    assert assistant.change == usd("0.5000000001")
    later = group(CHARGES, By(("day", "key")), Labels(names()))
    assert [each.labels[0] for each in later] == sorted(each.labels[0] for each in later)


def test_groupings_that_can_be_are_read_as_typed() -> None:
    known = names(*TEAMS)
    assert parse_by(["Team, MODEL", "tag:team"], known) == (By(("team", "model")), By(("tag:team",)))
    assert parse_by(["workspace,line"], known) == (By(("workspace", "line")),)
    for texts, said in ((["person,line"], "names no person"), (["tag:team"], "no workspace has a tag")):
        with pytest.raises(ConfigError, match=said):
            parse_by(texts, replace(known, workspaces={}))
    assert not By(("person", "team")).needs_keys(known)
