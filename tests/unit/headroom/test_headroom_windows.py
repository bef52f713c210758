"""What counts against which limit, the peak minute, the percentile, and whose limit it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from anthropic_metrics.headroom.build import countable
from anthropic_metrics.headroom.limits import Limits, Snapshot, Timeline
from anthropic_metrics.headroom.windows import percentile_95, windows
from anthropic_metrics.kernel.questions import Splits
from tests.harness.headroom_samples import AWARE, NINE, OPUS, OUTPUT, PLAIN, SPEEDS, group, limits, one, use

LIMITS = {AWARE: 1000, PLAIN: 10_000, OUTPUT: 100}
FAST = {"fast_itpmca": 500, "fast_otpm": 200}


def test_windows_that_elasticsearch_cannot_count_are_told_apart_from_those_it_can() -> None:
    held = limits(group(**{AWARE: 10**9, OUTPUT: 10**9}))
    found = windows([use(output=2**62), use(1, output=2**62)], held, SPEEDS)
    good, beyond = countable(found)
    assert {window.limit_type for window in beyond} == {OUTPUT}
    assert {window.limit_type for window in good} == {AWARE}


def test_cache_reads_count_only_against_the_plain_input_limit_and_cache_writes_against_both() -> None:
    found = one([use()], limits(group(**LIMITS)))
    assert {kind: window.peak_tokens for kind, window in found.items()} == {
        AWARE: 120,
        PLAIN: 1120,
        OUTPUT: 50,
    }
    assert found[AWARE].peak_share == 0.12


def test_models_of_a_group_and_its_workspaces_are_summed_before_they_are_divided() -> None:
    uses = [use(), use(model="opus-latest"), use(workspace="w2", output=30)]
    assert one(uses, limits(group(**LIMITS)))[OUTPUT].peak_share == pytest.approx(1.3)


def test_the_peak_minute_is_by_share_where_the_limit_changes_within_the_window() -> None:
    line = Timeline(
        [Snapshot(NINE, (group(**{OUTPUT: 1000}),)), Snapshot(NINE + 120, (group(**{OUTPUT: 100}),))]
    )
    window = one([use(0, output=500), use(3, output=90)], Limits(line, {}))[OUTPUT]
    assert (window.peak_minute, window.peak_tokens, window.peak_share) == (NINE + 180, 90, 0.9)
    assert window.ceiling is not None
    assert window.ceiling.value == 100
    assert (window.above_80, window.above_100) == (1, 0)


def test_of_equally_close_minutes_the_earliest_is_named() -> None:
    assert one([use(2), use(1)], limits(group(**LIMITS)))[OUTPUT].peak_minute == NINE + 60


@pytest.mark.parametrize(("output", "expected"), [(80, (0, 0)), (81, (1, 0)), (100, (1, 0)), (101, (1, 1))])
def test_above_means_above_not_at(output: int, expected: tuple[int, int]) -> None:
    window = one([use(output=output)], limits(group(**{OUTPUT: 100})))[OUTPUT]
    assert (window.above_80, window.above_100) == expected


def test_idle_minutes_count_as_zero_in_the_percentile() -> None:
    window = one([use(0, output=100), use(1, output=50)], limits(group(**{OUTPUT: 100})))[OUTPUT]
    # 0 0 0 50 100: four fifths of the way from 50 to 100.
    assert (window.counts, percentile_95(window.shares)) == ((100, 50, 0, 0, 0), 0.9)


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_the_percentile_lies_between_the_least_and_the_most_and_grows_with_them(values: list[int]) -> None:
    found = percentile_95(values)
    assert min(values) <= found <= max(values)
    assert percentile_95([*values[1:], max(values) + 1]) >= found
    assert percentile_95([values[0]] * len(values)) == values[0]


def test_fast_use_counts_against_the_fast_limits_and_not_against_the_others() -> None:
    found = one([use(), use(fast=True, output=70)], limits(group(**LIMITS, **FAST)))
    assert {kind: window.peak_tokens for kind, window in found.items()} == {
        AWARE: 120,
        PLAIN: 1120,
        OUTPUT: 50,
        "fast_itpmca": 120,
        "fast_otpm": 70,
    }


def test_fast_use_of_a_group_without_fast_limits_counts_with_the_rest() -> None:
    assert one([use(), use(fast=True)], limits(group(**LIMITS)))[OUTPUT].peak_tokens == 100


def test_without_speed_fast_limits_are_left_out_and_the_others_say_that_fast_use_is_in_them() -> None:
    found = one([use()], limits(group(**LIMITS, **FAST)), Splits(speeds=False))
    assert found.keys() == set(LIMITS)
    assert found[OUTPUT].caveats == {"fast_included"}
    other = one([use()], limits(group(**LIMITS)), Splits(speeds=False))
    assert other[OUTPUT].caveats == frozenset()


def test_without_tiers_the_figures_say_that_batch_is_in_them() -> None:
    found = one([use()], limits(group(**LIMITS)), Splits(tiers=False))
    assert "batch_included" in found[OUTPUT].caveats


def test_a_workspaces_limit_is_the_smaller_of_its_own_and_the_organizations() -> None:
    own = group(**{OUTPUT: 60, AWARE: 5000})
    found = {
        window.limit_type: window
        for window in windows([use()], limits(group(**LIMITS), w1=own), Splits())
        if window.workspace == "w1"
    }
    ceilings = {kind: window.ceiling for kind, window in found.items()}
    assert {kind: (c.value, c.source, c.organization) for kind, c in ceilings.items() if c} == {
        OUTPUT: (60, "workspace", 100),
        AWARE: (1000, "organization", 1000),
        PLAIN: (10_000, "organization", 10_000),
    }


def test_a_limit_that_only_the_workspace_has_is_held_against_its_use_alone() -> None:
    found = windows([use()], limits(group(**{OUTPUT: 100}), w1=group(**{PLAIN: 2000})), Splits())
    (window,) = (window for window in found if window.limit_type == PLAIN)
    assert (window.workspace, window.peak_share, window.organization_share) == ("w1", 0.56, None)


def test_a_workspaces_headroom_is_no_more_than_what_the_organization_had_left() -> None:
    found = windows(
        [use(output=10), use(workspace="w2", output=85)], limits(group(**{OUTPUT: 100})), Splits()
    )
    left = {window.workspace: window.headroom_share for window in found}
    assert left == {None: pytest.approx(0.05), "w1": pytest.approx(0.05), "w2": pytest.approx(0.05)}
    assert {window.workspace: window.peak_share for window in found}["w1"] == 0.1


def test_an_unlisted_model_makes_windows_of_its_own_without_a_limit() -> None:
    found = windows([use(model="new-1"), use()], limits(group(**LIMITS)), Splits())
    mine = {(window.workspace, window.limit_type): window for window in found if window.unmapped}
    assert mine.keys() == {(scope, kind) for scope in (None, "w1") for kind in (AWARE, OUTPUT)}
    assert mine[None, AWARE].peak_tokens == 120
    assert mine[None, AWARE].models == {"new-1"}


def test_before_the_first_snapshot_the_earliest_known_limits_are_used_and_marked() -> None:
    found = one([use()], limits(group(**LIMITS), at=NINE + 900))
    assert found[OUTPUT].caveats == {"limits_assumed"}
    assert one([use(15)], limits(group(**LIMITS), at=NINE + 900))[OUTPUT].caveats == frozenset()


def test_a_workspaces_own_limits_are_assumed_or_unknown_on_their_own() -> None:
    late = Limits(
        limits(group(**LIMITS)).organization, {"w1": Timeline([Snapshot(NINE + 900, (group(**LIMITS),))])}
    )
    found = windows([use(), use(workspace="w2"), use(workspace="Default")], late, Splits())
    caveats = {window.workspace: window.caveats for window in found}
    assert caveats == {
        None: frozenset(),
        "w1": {"limits_assumed"},
        "w2": {"workspace_limits_unknown"},
        "Default": frozenset(),
    }


def test_with_only_some_workspaces_collected_the_organization_is_not_judged() -> None:
    found = windows([use()], limits(group(**LIMITS)), Splits(every_workspace=False))
    assert {window.workspace for window in found} == {"w1"}
    assert found[0].caveats >= {"organization_unknown"}


def test_a_workspaces_group_without_an_id_is_found_again_by_its_models() -> None:
    own = group((*OPUS, "opus-6"), key="model_group:opus-5,opus-6,opus-latest", **{OUTPUT: 10})
    found = windows([use()], limits(group(key="model_group:opus-5,opus-latest", **LIMITS), w1=own), Splits())
    (window,) = (w for w in found if w.workspace == "w1" and w.limit_type == OUTPUT)
    assert window.peak_share == 5.0


def test_a_limit_of_nothing_is_passed_by_any_use() -> None:
    window = one([use(output=3)], limits(group(**{OUTPUT: 0})))[OUTPUT]
    assert (window.peak_share, window.above_100) == (3.0, 1)


def test_fast_use_of_every_kind_counts_with_the_rest_where_there_are_no_fast_limits() -> None:
    found = one([use(), use(fast=True, uncached=1, created=2, cached=300, output=4)], limits(group(**LIMITS)))
    assert {kind: window.peak_tokens for kind, window in found.items()} == {
        AWARE: 123,
        PLAIN: 1423,
        OUTPUT: 54,
    }


def test_fast_use_of_an_unlisted_model_counts_with_the_rest() -> None:
    found = one([use(model="new-1"), use(model="new-1", fast=True, output=7)], limits(group(**LIMITS)))
    assert found[OUTPUT].peak_tokens == 57


def test_only_windows_of_workspaces_with_a_limit_are_told_the_organizations_share() -> None:
    found = windows([use(), use(model="new-1")], limits(group(**LIMITS)), Splits())
    told = {(w.workspace, w.unmapped) for w in found if w.organization_share is not None}
    assert told == {("w1", False)}


def test_without_workspaces_in_usage_there_are_windows_of_the_organization_only() -> None:
    for splits, workspace in ((Splits(workspaces=False), "w1"), (Splits(), None)):
        found = windows([use(workspace=workspace)], limits(group(**{OUTPUT: 100})), splits)
        assert [
            (window.workspace, window.peak_tokens) for window in found if window.limit_type == OUTPUT
        ] == [(None, 50)]
