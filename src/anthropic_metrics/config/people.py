"""The `people` key."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from anthropic_metrics.config.connections import Section
from anthropic_metrics.config.values import Duration, Password, SecretFile, lower
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.secrets import Secret

Identify = Literal["hash", "id", "email"]
SHORTEST_SALT = 16
_CURE = "Make one with `openssl rand -hex 32` and keep it: with a new salt, everyone gets a new pseudonym."


class PeopleSettings(Section):
    enabled: bool = Field(
        False,
        description="Whether to request and collect what each person used and cost.",
    )
    identify: Annotated[Identify, BeforeValidator(lower)] = Field(
        "hash",
        description="How documents name a person: `hash` (a pseudonym made with the salt), `id` (the user "
        "id) or `email` (user id, name and e-mail address).",
    )
    salt: Password = Field(
        None, description="Secret for making pseudonyms, at least 16 characters; required if enabled."
    )
    salt_file: SecretFile = Field(None, description="File with the salt.")
    interval: Duration = Field(
        timedelta(hours=6), description="How often to read the last three days; the last 31 are read daily."
    )

    @field_validator("salt_file")
    @classmethod
    def _one_salt(cls, value: object, info: ValidationInfo) -> object:
        if value is not None and info.data.get("salt") is not None:
            raise PydanticCustomError(
                "exclusive", "give {one} or {other}, not both", {"one": "salt", "other": "salt_file"}
            )
        return value

    @model_validator(mode="after")
    def _has_a_salt(self) -> PeopleSettings:
        if self.enabled and self.salt is None and self.salt_file is None:
            raise ValueError(f"salt or salt_file is required. {_CURE}")
        return self

    def secret(self) -> str:
        """The salt; ConfigError if its file cannot be read or it is short."""
        value = self.salt.get_secret_value() if self.salt else None
        key = "people.salt" if value else "people.salt_file"
        salt = Secret(key, value=value, file=self.salt_file).get()
        if len(salt) < SHORTEST_SALT:
            raise ConfigError(f"{key}: must have at least {SHORTEST_SALT} characters.", cure=_CURE)
        return salt
