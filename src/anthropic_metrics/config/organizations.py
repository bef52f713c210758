"""The `organizations` list: several organizations for one agent, each with settings of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, TypeVar

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
from anthropic_metrics.config.sections import data, sections
from anthropic_metrics.config.values import BackfillValue

# Of `anthropic`, what belongs to one organization alone.
OF_ONE = ("admin_key", "admin_key_file", "organization_id", "parent")
# What an organization has in place of the section above it, or key by key beside it.
_SECTIONS = ("usage", "cost", "rate_limits", "inventory", "people", "telemetry", "spend")
_REPLACED = ("backfill", "budgets", "teams", "prices")
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
            name: value for name in _REPLACED if (value := getattr(self, name)) is not None and name in above
        }
        for name in _SECTIONS:
            if (section := getattr(self, name)) is not None and name in above:
                own[name] = _joined(above[name], section)
        if (shared := above.get("anthropic")) is not None:
            inherited = {
                name: value for name, value in _keys_set(shared).items() if name not in self.model_fields_set
            }
            own["anthropic"] = self.model_copy(update=inherited)
        return own


def _joined(above: S, section: S) -> S:
    return type(above).model_validate(_keys_set(above) | _keys_set(section))


def _keys_set(section: Section) -> dict[str, Any]:
    return {name: getattr(section, name) for name in section.model_fields_set}


def read(value: object) -> object:
    """The list as data; also one given as text, as the environment has it. ValueError without the text."""
    return sections(data(value, _LIST), _LIST)


Organizations = Annotated[tuple[OrganizationSettings, ...], BeforeValidator(read)]


def faults(organizations: tuple[OrganizationSettings, ...], above: Mapping[str, Any]) -> Iterator[str]:
    """What does not fit among the organizations, or between one of them and the sections above."""
    names = [own.name.casefold() for own in organizations]
    for own in organizations:
        if names.count(own.name.casefold()) > 1:
            yield f"two entries have the name {own.name}"
            return
        if own.admin_key is None and own.admin_key_file is None:
            yield f"{own.name}: needs admin_key or admin_key_file"
        try:
            own.overrides(above)
        except ValidationError as error:
            for detail in error.errors(include_url=False, include_input=False):
                where = ".".join(map(str, detail["loc"]))
                yield f"{own.name}: {where}: {detail.get('ctx', {}).get('error', detail['msg'])}"
    keys = [
        (own.base_url, own.admin_key.get_secret_value() if own.admin_key else own.admin_key_file)
        for own in organizations
    ]
    for key, own in zip(keys, organizations, strict=True):
        if key[1] is not None and keys.count(key) > 1:
            yield f"{own.name}: has the same key as another entry"
            return
    shared = above.get("anthropic")
    if organizations and shared is not None:
        for name in OF_ONE:
            if getattr(shared, name):
                yield f"each organization has its own {name}: take anthropic.{name} out"
