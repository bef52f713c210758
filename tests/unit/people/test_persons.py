"""Who is who: the same person under one id, and nobody's address where it does not belong."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import SecretStr

from anthropic_metrics.config import Config, load_config
from anthropic_metrics.config.people import Identify, PeopleSettings
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.people.persons import UNATTRIBUTED, Persons
from anthropic_metrics.people.read import without_addresses

SALT = "a salt for tests only, long enough"
ANN = {
    "type": "user_actor",
    "user_id": "user_01Ann",
    "name": "Ann Example",
    "email_address": "Ann@Example.com",
    "deleted": False,
}
GONE = {**ANN, "name": "Deleted User", "email_address": None, "deleted": True}
RECORD = {"type": "user_actor", "email_address": "ann@example.com"}


def persons(identify: Identify = "hash", salt: str = SALT) -> Persons:
    return Persons(identify, salt, {"apikey_1": "nightly"})


def test_a_person_has_one_pseudonym_over_restarts_agents_renames_and_deletion() -> None:
    first, second = persons(), persons()
    renamed = {**ANN, "name": "Ann Other", "email_address": "ann.other@example.com"}

    ids = {each.of_actor(actor).id for each in (first, second) for actor in (ANN, renamed, GONE)}

    assert len(ids) == 1
    assert re.fullmatch(r"person_[0-9a-f]{24}", ids.pop())
    assert second.of_actor(GONE).deleted


def test_another_salt_is_another_pseudonym_and_two_people_are_two() -> None:
    other = {**ANN, "user_id": "user_01Bob"}

    found = {
        persons().of_actor(ANN).id,
        persons().of_actor(other).id,
        persons(salt=SALT[::-1]).of_actor(ANN).id,
    }

    assert len(found) == 3


@pytest.mark.parametrize("identify", ["hash", "id", "email"])
def test_the_report_that_knows_only_addresses_is_joined_by_who_is_listed(identify: Identify) -> None:
    known = persons(identify)
    known.learn([("user_01Ann", " ANN@example.com")])

    assert known.of_record(RECORD).id == known.of_actor(ANN).id


def test_a_user_who_is_no_longer_listed_keeps_the_id_that_documents_have() -> None:
    before = persons().of_actor(ANN)
    later = persons()
    later.remember([(str(before.alias), before.id)])

    assert later.of_record(RECORD).id == before.id
    assert persons().of_record(RECORD).id == before.alias  # nobody remembers: countable all the same


@pytest.mark.parametrize(
    ("identify", "shown"),
    [
        ("hash", {"name": None, "email": None}),
        ("id", {"id": "user_01Ann", "name": None, "email": None}),
        ("email", {"id": "user_01Ann", "name": "Ann Example", "email": "Ann@Example.com"}),
    ],
)
def test_only_email_shows_a_name_or_an_address(identify: Identify, shown: dict[str, Any]) -> None:
    for actor in (ANN, {"type": "federated_actor", "subject": "ann@example.com", "provider": {}}):
        fields = persons(identify).of_actor(actor).fields()
        if actor is ANN:
            assert {name: fields[name] for name in shown} == shown
        if identify != "email":
            assert "ann" not in repr(fields).lower().replace("user_01ann", "")


def test_what_is_no_person_keeps_its_own_id_and_what_is_unknown_is_unattributed() -> None:
    found = [
        persons().of_actor({"type": "service_account_actor", "service_account_id": "svac_1"}),
        persons().of_actor({"type": "api_actor", "api_key_id": "apikey_1"}),
        persons().of_record({"type": "api_actor", "api_key_name": "nightly"}),
        persons().of_actor(None),
        persons().of_actor({"type": "what_comes_next"}),
        persons().of_record({"type": "user_actor", "email_address": ""}),
    ]

    assert [(each.id, each.type) for each in found] == [
        ("svac_1", "service_account"),
        ("apikey_1", "api_key"),
        ("apikey_1", "api_key"),
        (UNATTRIBUTED, "none"),
        (UNATTRIBUTED, "none"),
        (UNATTRIBUTED, "none"),
    ]


def test_a_refused_row_is_told_without_its_addresses() -> None:
    said = without_addresses("actor: got {'email_address': 'ann+x@example.co.uk'} and bob@b.example")

    assert said == "actor: got {'email_address': '(address)'} and (address)"


def test_people_are_off_and_need_a_salt_of_some_length() -> None:
    assert not Config().people.enabled
    with pytest.raises(
        ConfigError, match=r"people: salt or salt_file is required\. .* `openssl rand -hex 32"
    ):
        load_config(None, {"ANTHROPIC_METRICS_PEOPLE__ENABLED": "true"})
    with pytest.raises(ConfigError, match=r"people\.salt: must have at least 16 characters"):
        PeopleSettings(enabled=True, salt=SecretStr("x9-q7")).secret()
    assert SALT not in repr(PeopleSettings(enabled=True, salt=SecretStr(SALT)))


def test_a_key_whose_name_another_key_has_too_is_not_guessed() -> None:
    persons = Persons("hash", "a salt of sixteen", {"apikey_1": "ci", "apikey_2": "ci", "apikey_3": "batch"})
    found = [persons.of_record({"type": "api_actor", "api_key_name": name}).id for name in ("ci", "batch")]
    assert found == [UNATTRIBUTED, "apikey_3"]
