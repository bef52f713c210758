"""Without a chosen organization, no panel shows two organizations' figures as those of one name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from anthropic_metrics.kibana.ask import ask
from anthropic_metrics.kibana.definitions import load_bundle
from tests.harness.organizations import NOW, Several

BOTH = " (2 organizations)"
WORKSPACE, KEY = "anthropic.workspace.name", "anthropic.api_key.name"
SUMS = {
    "Spend by workspace, USD": WORKSPACE,
    "Top workspaces by spend, USD": WORKSPACE,
    "Peak minute by workspace, %": WORKSPACE,
    "Tokens by workspace": WORKSPACE,
    "Tokens by API key": KEY,
    "Spend by key, USD": KEY,
    "Keys today, USD": KEY,
}
OWN_ROWS = {
    "Budgets": "name",
    "Limits beside peak and 95th-percentile minute": WORKSPACE,
    "Limits as the API reports them, per minute": WORKSPACE,
    "Workspaces": WORKSPACE,
}
Records = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def records(two: Several) -> Records:
    """The rows of the panels with a title, of all organizations or of the one that is chosen."""
    panels = [panel for dashboard in load_bundle().dashboards for panel in dashboard.queried()]

    def asked(title: str, organization: str | None = None) -> list[dict[str, Any]]:
        chosen = {"organization.name": [organization]} if organization else {}
        start, namespace = NOW.replace(day=1, hour=0) - timedelta(days=1), two.config.namespace
        (query,) = {panel.query for panel in panels if panel.title == title}
        return ask(two.es, query, start, NOW, namespace=namespace, chosen=chosen).records()

    return asked


@pytest.mark.parametrize("title", SUMS)
def test_a_name_that_two_organizations_have_says_so(title: str, two: Several, records: Records) -> None:
    field = SUMS[title]
    own = [{row[field] for row in records(title, name)} for name in two.each]
    assert own[0] & own[1]
    assert not any(name.endswith(BOTH) for names in own for name in names)
    shared = {name + BOTH for name in own[0] & own[1]}
    assert {row[field] for row in records(title)} <= shared | (own[0] ^ own[1])


@pytest.mark.parametrize("title", OWN_ROWS)
def test_a_table_of_what_cannot_be_added_has_a_row_for_each_organization(
    title: str, two: Several, records: Records
) -> None:
    everything = records(title)
    for name in two.each:
        own = [row for row in everything if row["organization"] == name]
        assert own
        assert sorted(map(str, own)) == sorted(map(str, records(title, name)))
    names = [{row[OWN_ROWS[title]] for row in everything if row["organization"] == name} for name in two.each]
    assert names[0] & names[1]
