"""The three servers the agent talks to, and the secrets for them.

The descriptions of the fields are the text of docs/configuration.md and of config.example.yaml.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from anthropic_metrics.config.values import (
    ApiKey,
    CertificateFile,
    Duration,
    OptionalText,
    OptionalUrl,
    Password,
    Proxy,
    SecretFile,
    Space,
    Url,
    Urls,
)
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.secrets import Secret

Timeout = Annotated[
    Duration,
    Field(
        description="How long to wait for a connection or the next part of an answer; a whole request may "
        "take four times as long."
    ),
]


class Section(BaseModel):
    # hide_input_in_errors: an error of pydantic's own must not show a key.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False)


def _exclusive(value: object, key: str, others: tuple[str, ...], info: ValidationInfo) -> None:
    """Refuse `value` if one of `others`, declared before it, is given too."""
    if value is not None and (others_set := [name for name in others if info.data.get(name) is not None]):
        raise PydanticCustomError(
            "exclusive", "give {one} or {other}, not both", {"one": others_set[0], "other": key}
        )


class AnthropicSettings(Section):
    base_url: Url = Field(
        "https://api.anthropic.com", description="URL of the Admin API, of a proxy for it, or of a simulator."
    )
    admin_key: ApiKey = Field(
        None, description="Admin API key (sk-ant-admin...); also read from ANTHROPIC_ADMIN_API_KEY."
    )
    admin_key_file: SecretFile = Field(
        None, description="File with the key; read again after a 401, so you can rotate the key in place."
    )
    organization_id: OptionalText = Field(
        None,
        description="The organization that the key must belong to; by default, the organization of earlier "
        "polls with this key.",
    )
    parent: bool = Field(
        False,
        description="Whether the key belongs to a parent organization: the agent then requests the analytics "
        "reports for `organization_id` only, without its child organizations.",
    )
    requests_per_minute: int = Field(
        60, ge=1, description="The agent's own limit; all tools of an organization share the API's limit."
    )
    max_answer_bytes: int = Field(
        64 * 2**20,
        ge=2**20,
        description="Largest answer that the agent reads, decompressed; for a list, all pages together.",
    )
    ca_file: CertificateFile = Field(
        None, description="PEM file of the authority that signed a TLS proxy's certificate."
    )
    timeout: Timeout = timedelta(seconds=30)

    @field_validator("admin_key_file")
    @classmethod
    def _one_key(cls, value: object, info: ValidationInfo) -> object:
        _exclusive(value, "admin_key_file", ("admin_key",), info)
        return value

    @field_validator("parent")
    @classmethod
    def _whose(cls, value: bool, info: ValidationInfo) -> bool:
        if value and not info.data.get("organization_id"):
            raise ValueError("needs organization_id, the organization to request")
        return value

    @property
    def label(self) -> str:
        """What tells it from other organizations of the configuration; empty where there are none."""
        return ""

    @property
    def place(self) -> str:
        """Where the configuration has it, for messages."""
        return "anthropic"

    def secret(self) -> Secret:
        """The admin key; ConfigError that names every way to give one if there is none."""
        if self.admin_key is None and self.admin_key_file is None:
            raise ConfigError(
                "anthropic.admin_key: there is no Admin API key.",
                cure="Set ANTHROPIC_ADMIN_API_KEY, or anthropic.admin_key or anthropic.admin_key_file in the "
                "configuration file. An organization admin makes one (sk-ant-admin...) in the Console.",
            )
        value = self.admin_key.get_secret_value() if self.admin_key else None
        key = "admin_key" if value else "admin_key_file"
        return Secret(f"{self.place}.{key}", value=value, file=self.admin_key_file)


class ElasticsearchSettings(Section):
    hosts: Urls = Field(
        (),
        description="URLs of the cluster's nodes; also read from ELASTICSEARCH_URL or ELASTICSEARCH_HOSTS.",
    )
    username: OptionalText = Field(
        None, description="User for basic authentication; also read from ELASTICSEARCH_USERNAME."
    )
    password: Password = Field(
        None, description="The user's password; also read from ELASTICSEARCH_PASSWORD."
    )
    password_file: SecretFile = Field(None, description="File with the password; read again after a 401.")
    api_key: ApiKey = Field(None, description="Encoded API key; also read from ELASTICSEARCH_API_KEY.")
    api_key_file: SecretFile = Field(None, description="File with the API key; read again after a 401.")
    ca_certs: CertificateFile = Field(
        None, description="PEM file of the authority that signed the cluster's certificate."
    )
    proxy: Proxy = Field(
        None,
        description="Proxy for the cluster, http://host:port; `none` uses no proxy; the default is the "
        "environment's (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).",
    )
    verify_certs: bool = Field(
        True,
        description="Set to false for trials only: without verification, anyone can pose as the cluster.",
    )
    timeout: Timeout = timedelta(seconds=30)

    @field_validator("password_file", "api_key", "api_key_file")
    @classmethod
    def _one_way_in(cls, value: object, info: ValidationInfo) -> object:
        basic = ("username", "password", "password_file")
        others = {"password_file": ("password",), "api_key": basic, "api_key_file": ("api_key", *basic)}
        _exclusive(value, str(info.field_name), others[str(info.field_name)], info)
        return value

    def secret(self) -> Secret | None:
        """The password if there is a `username`, else the API key; None for a cluster without security."""
        section = "elasticsearch"
        if self.username or self.password or self.password_file:
            if not self.username or not (self.password or self.password_file):
                raise ConfigError(f"{section}: username and password (or password_file) belong together")
            value = self.password.get_secret_value() if self.password else None
            return Secret(f"{section}.password", value=value, file=self.password_file, username=self.username)
        return _api_key(section, self)


class KibanaSettings(Section):
    url: OptionalUrl = Field(None, description="URL of Kibana; also read from KIBANA_URL.")
    api_key: ApiKey = Field(None, description="Encoded API key; also read from KIBANA_API_KEY.")
    api_key_file: SecretFile = Field(None, description="File with the API key.")
    ca_certs: CertificateFile = Field(
        None, description="PEM file of the authority that signed Kibana's certificate."
    )
    verify_certs: bool = Field(
        True, description="Set to false for trials only: without verification, anyone can pose as Kibana."
    )
    space: Space = Field(
        None, description="Kibana space for dashboards and rules; if empty, the default space."
    )

    @field_validator("api_key_file")
    @classmethod
    def _one_key(cls, value: object, info: ValidationInfo) -> object:
        _exclusive(value, "api_key_file", ("api_key",), info)
        return value

    def secret(self) -> Secret | None:
        return _api_key("kibana", self)


def _api_key(section: str, settings: ElasticsearchSettings | KibanaSettings) -> Secret | None:
    if settings.api_key is None and settings.api_key_file is None:
        return None
    value = settings.api_key.get_secret_value() if settings.api_key else None
    return Secret(f"{section}.api_key{'' if value else '_file'}", value=value, file=settings.api_key_file)
