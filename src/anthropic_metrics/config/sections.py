"""Lists of mappings in the configuration: `budgets`, `organizations`, `teams`, `prices`."""

from __future__ import annotations

from collections.abc import Mapping

import yaml

from anthropic_metrics.config.connections import Section
from anthropic_metrics.config.values import listed
from anthropic_metrics.config.yaml_file import parse


def data(value: object, wrong: str) -> object:
    """The value, or what a text says as YAML, as environment variables have it; empty means an empty list.

    Raises ValueError with the message `wrong`, which quotes nothing of the text.
    """
    if isinstance(value, str) and value.strip():
        try:
            value = parse(value)
        except (yaml.YAMLError, ValueError):
            raise ValueError(wrong) from None
    return () if value in (None, "") else value


def sections(value: object, wrong: str) -> tuple[object, ...]:
    """The mappings of a list. ValueError with the message `wrong` where it is no list of mappings."""
    items = listed(value)
    if not isinstance(items, list | tuple) or not all(isinstance(item, Mapping | Section) for item in items):
        raise ValueError(wrong)
    return tuple(items)
