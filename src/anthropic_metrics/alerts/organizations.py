"""Rules where there are several organizations: nothing of one may be added to another's.

A rule whose threshold or streams are the same for all judges each organization by itself: its query groups by
the organization too, which so becomes part of the alert's id. A rule that is made of an organization's own
settings (its budgets, the streams that it polls) exists once for each, over that organization's documents.
"""

from __future__ import annotations

import re
from dataclasses import replace

from anthropic_metrics.alerts.rule import Rule, no_mustache, text
from anthropic_metrics.telemetry.spans import ORGANIZATION

ID, NAME = "organization_id", "organization"
_BREAK = "\n| "
_BY = re.compile(r" BY (?!.* BY )")
# Commands that make rows of their own columns, and so need the organization; and those that leave it alone.
_GROUPS, _CHOOSES = ("STATS",), ("KEEP",)
_PASSES = ("DISSECT", "EVAL", "LIMIT", "MV_EXPAND", "SORT", "WHERE")


def by_organization(rule: Rule) -> Rule:
    """The rule judged for each organization by itself. ValueError for a command that may lose it."""
    source, own, *commands = rule.query.split(_BREAK)
    named = f"EVAL {ID} = organization.id, {NAME} = organization.name"
    if rule.spans:  # a span has the organization's id, not its name
        named = f"EVAL {ID} = {ORGANIZATION}, {NAME} = COALESCE(organization.name, {ORGANIZATION})"
    return replace(
        rule,
        query=_BREAK.join([source, own, named, *map(_grouped, commands)]),
        identity=(*rule.identity, ID),
        subject=f"{{{{{NAME}}}}}: {rule.subject}",
        threshold=f"{rule.threshold}, for each organization",
    )


def of_organization(rule: Rule, organization: str) -> Rule:
    """The rule over the documents of one organization, under a key and a title of its own."""
    source, own, *commands = rule.query.split(_BREAK)
    shown = no_mustache(organization)
    return replace(
        rule,
        key=f"{rule.key}, {organization}",
        title=f"{organization}: {rule.title}",
        query=_BREAK.join([source, own, f"WHERE organization.name == {text(organization)}", *commands]),
        subject=f"{shown}: {rule.subject}",
        organization=organization,
    )


def _grouped(command: str) -> str:
    word = command.partition(" ")[0]
    if word in _GROUPS:
        figures, *by = _BY.split(command, maxsplit=1)
        return f"{figures}, {NAME} = MAX({NAME}) BY {', '.join([*by, ID])}"
    if word in _CHOOSES:
        return f"{command}, {ID}, {NAME}"
    if word not in _PASSES:
        raise ValueError(f"whether {word} keeps the organization is not known")
    return command
