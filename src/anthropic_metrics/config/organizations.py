"""The `organizations` list: several organizations for one agent, each with settings of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BeforeValidator, SerializerFunctionWrapHandler, ValidationError, model_serializer

from anthropic_metrics.config.budgets import Budgets
from anthropic_metrics.config.collected import (
    CostSettings,
    InventorySettings,
    RateLimitSettings,
    TelemetrySettings,
    UsageSettings,
)
from anthropic_metrics.config.connections import AnthropicSettings, Section
from anthropic_metrics.config.money import Prices, SpendSettings, Teams
from anthropic_metrics.config.people import PeopleSettings
from anthropic_metrics.config.values import BackfillValue, listed
from anthropic_metrics.config.yaml_file import parse

# Of `anthropic`, what belongs to one organization alone.
OF_ONE = ("admin_key", "admin_key_file", "organization_id", "parent")
# What an organization has in place of the section above it, or key by key beside it.
_SECTIONS = ("usage", "cost", "rate_limits", "inventory", "people", "telemetry", "spend")
_WHOLE = ("backfill", "budgets", "teams", "prices")
_NAME = re.compile(r"\w[\w .&()'+-]{0,99}")
_LIST = "must be a list of mappings, such as [{name: acme, admin_key_file: /run/secrets/acme}]"

S = TypeVar("S", bound=Section)


def _name(value: object) -> str:
    text = str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
    if not _NAME.fullmatch(text):
        raise ValueError(
            "must be 1 to 100 letters, digits, spaces or any of _ . & ( ) ' + -, and begin with a letter or "
            "a digit"
        )
    return text


class OrganizationSettings(AnthropicSettings):
    """One of several organizations: its connection, and the settings that differ from the others'."""

    name: Annotated[str, BeforeValidator(_name)]
    backfill: BackfillValue | None = None
    usage: UsageSettings | None = None
    cost: CostSettings | None = None
    rate_limits: RateLimitSettings | None = None
    inventory: InventorySettings | None = None
    people: PeopleSettings | None = None
    telemetry: TelemetrySettings | None = None
    spend: SpendSettings | None = None
    teams: Teams | None = None
    budgets: Budgets | None = None
    prices: Prices | None = None

    @property
    def label(self) -> str:
        """What documents, logs, metrics and commands call it."""
        return self.name

    @property
    def place(self) -> str:
        return f"organizations: {self.name}"

    @model_serializer(mode="wrap")
    def _as_given(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Only what is given: the rest is that of the sections above."""
        return {name: value for name, value in handler(self).items() if name in self.model_fields_set}

    def overrides(self, above: Mapping[str, Any]) -> dict[str, Any]:
        """Its own of the sections and lists in `above`, by name, and its connection as `anthropic`.

        Sections are joined key by key, lists are replaced. Raises ValidationError where a joined section
        does not fit itself.
        """
        own: dict[str, Any] = {
            name: value for name in _WHOLE if (value := getattr(self, name)) is not None and name in above
        }
        for name in _SECTIONS:
            if (section := getattr(self, name)) is not None and name in above:
                own[name] = _joined(above[name], section)
        if (shared := above.get("anthropic")) is not None:
            inherited = {
                name: value for name, value in _given(shared).items() if name not in self.model_fields_set
            }
            own["anthropic"] = self.model_copy(update=inherited)
        return own


def _joined(above: S, section: S) -> S:
    return type(above).model_validate(_given(above) | _given(section))


def _given(section: Section) -> dict[str, Any]:
    return {name: getattr(section, name) for name in section.model_fields_set}


def read(value: object) -> object:
    """The list as data; also one given as text, as the environment has it. ValueError without the text."""
    if isinstance(value, str) and value.strip():
        try:
            value = parse(value)
        except (yaml.YAMLError, ValueError):
            raise ValueError(_LIST) from None
    if value in (None, ""):
        return ()
    found = listed(value)
    if not isinstance(found, list | tuple) or not all(isinstance(item, Mapping | Section) for item in found):
        raise ValueError(_LIST)
    return tuple(found)


Organizations = Annotated[tuple[OrganizationSettings, ...], BeforeValidator(read)]


def faults(organizations: tuple[OrganizationSettings, ...], above: Mapping[str, Any]) -> Iterator[str]:
    """What does not fit among the organizations, or between one of them and the sections above."""
    names = [each.name.casefold() for each in organizations]
    for each in organizations:
        if names.count(each.name.casefold()) > 1:
            yield f"two have the name {each.name}"
            return
        if each.admin_key is None and each.admin_key_file is None:
            yield f"{each.name}: needs admin_key or admin_key_file"
        try:
            each.overrides(above)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                where = ".".join(map(str, detail["loc"]))
                yield f"{each.name}: {where}: {detail.get('ctx', {}).get('error', detail['msg'])}"
    keys = [
        (each.base_url, each.admin_key.get_secret_value() if each.admin_key else each.admin_key_file)
        for each in organizations
    ]
    for key, each in zip(keys, organizations, strict=True):
        if key[1] is not None and keys.count(key) > 1:
            yield f"{each.name}: has the same key as another of the list"
            return
    shared = above.get("anthropic")
    if organizations and shared is not None:
        for name in OF_ONE:
            if getattr(shared, name):
                yield f"each organization has its own {name}: take anthropic.{name} out"
