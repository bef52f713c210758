"""What `dashboards render` says of streams that are not there."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from anthropic_metrics.cli.dashboards import _expected
from anthropic_metrics.config import Config
from anthropic_metrics.config.people import PeopleSettings

PEOPLE, COST = (f"metrics-anthropic_metrics.{key}-default" for key in ("people", "cost"))


@pytest.mark.parametrize(("enabled", "said"), [(False, [COST]), (True, [PEOPLE, COST])])
def test_the_stream_of_people_is_missed_only_where_people_are_on(enabled: bool, said: list[str]) -> None:
    people = PeopleSettings(enabled=enabled, salt=SecretStr("a salt for tests only, long enough"))
    assert _expected([PEOPLE, COST], Config(people=people)) == said
