"""`retention`: one key for each data stream, made from the registry."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pydantic import Field, ValidationInfo, create_model, field_validator

from anthropic_metrics.config.connections import Section
from anthropic_metrics.config.values import Retention, format_duration
from anthropic_metrics.streams.registry import BY_DATASET, STREAMS

_LEAST = {stream.key: stream.least_retention for stream in STREAMS if stream.least_retention}


class _RetentionSettings(Section):
    def of(self, dataset: str) -> timedelta | None:
        """How long the documents of a dataset stay, None without end."""
        retention: timedelta | None = getattr(self, BY_DATASET[dataset].key)
        return retention

    @field_validator("*")
    @classmethod
    def _outlives_reread(cls, value: timedelta | None, info: ValidationInfo) -> timedelta | None:
        least = _LEAST.get(info.field_name or "")
        if value is not None and least is not None and value < least:
            raise ValueError(
                f"must be at least {format_duration(least)}, or none to keep documents without limit: "
                f"the agent reads that far back again, for corrections; you gave {format_duration(value)}"
            )
        return value


if TYPE_CHECKING:

    class RetentionSettings(_RetentionSettings):
        """How long documents stay, by the key of their stream."""

        def __init__(self, **retentions: timedelta | None) -> None: ...

else:
    _fields: dict[str, Any] = {
        stream.key: (
            Retention,
            Field(
                stream.retention,
                description=f"How long to keep {stream.retained}; `none` means without limit.",
            ),
        )
        for stream in STREAMS
    }
    RetentionSettings = create_model("RetentionSettings", __base__=_RetentionSettings, **_fields)
