"""The Admin API: the key, the lists, each report as its poller asks for it, and the names in the
configuration."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from difflib import get_close_matches
from functools import partial
from typing import Any, Protocol

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.pages import read_buckets
from anthropic_metrics.admin_api.replies import ApiKey, Workspace
from anthropic_metrics.admin_api.reply import Reply, parse_rows
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.budgets.scope import known_names, named_by
from anthropic_metrics.checks import telemetry
from anthropic_metrics.checks.finding import Finding, Status, attempt
from anthropic_metrics.config import Config
from anthropic_metrics.config.money import teams_of
from anthropic_metrics.errors import AuthError, BadRequest, BrokenContract, MetricsError
from anthropic_metrics.kernel.currency import USD, is_usd
from anthropic_metrics.kernel.frame import DEFAULT_WORKSPACE
from anthropic_metrics.kernel.inventory import confirm
from anthropic_metrics.kernel.names import Identity, Names, usable_tags
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.kernel.ranges import DAY, WIDTHS, Range, floor
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.people.persons import Persons
from anthropic_metrics.people.read import Reader
from anthropic_metrics.reports.views import View, views
from anthropic_metrics.spend.analytics import Analytics

# Somebody is waiting for the answer: one quick second try, no long patience.
IMPATIENT = RetryPolicy(attempts=2, longest_wait=timedelta(seconds=5), asks_again=False)
_TAGS = "Rename them or change their values in the Console; until then, documents lack them."
_NEWER = "The API may have changed: look for a newer version of the agent."


@dataclass
class AdminFacts:
    """What the Admin API said that later checks need; None where it was not reached."""

    organization: Identity | None = None
    key_digest: str = ""
    workspaces: list[Workspace] = field(default_factory=list)
    api_keys: list[ApiKey] | None = None

    @property
    def organization_id(self) -> str | None:
        return None if self.organization is None else self.organization.id


def admin_api(config: Config, now: datetime, facts: AdminFacts) -> Iterator[Finding]:
    """Findings about the Admin API; fills in `facts`."""
    try:
        client = AdminClient(config.anthropic, retry=IMPATIENT)
    except MetricsError as error:
        yield Finding("Admin API key", Status.failed, error.message, error.cure)
        return
    with client:
        me = attempt("Admin API key", partial(_identity, client, config.anthropic.organization_id, facts))
        yield me
        if me.status is Status.failed:
            return
        listed = attempt("Workspaces", partial(_listed, client, partial(_workspaces, facts=facts), "found"))
        yield listed
        yield attempt("API keys", partial(_listed, client, partial(_keys, facts=facts), "found"))
        if config.inventory.enabled:
            yield inventory_list(client, "Users", endpoints.users)
            yield inventory_list(client, "Service accounts", endpoints.service_accounts)
        for view in views(config):
            yield _report(client, view, now)
        if config.spend.enabled and config.spend.source != "allocation":
            yield analytics_reports(client, config, now)
        if config.people.enabled:
            yield attempt("Reports about people", partial(_people, client, config, now))
        yield attempt("Rate limits", partial(_listed, client, endpoints.organization_rate_limits, "groups"))
        if config.telemetry.enabled != "false":
            yield telemetry.destinations(client, config)
        if dropped := {space.name: lost for space in facts.workspaces if (lost := _dropped_tags(space))}:
            told = "; ".join(f"{name}: {', '.join(map(repr, lost))}" for name, lost in dropped.items())
            yield Finding("Workspace tags", Status.failed, f"cannot be fields: {told}", _TAGS)
        if listed.status is Status.ok:
            yield from names(config, facts)


def _identity(client: AdminClient, expected: str | None, facts: AdminFacts) -> str:
    organization = endpoints.organization(client).identity
    facts.organization, facts.key_digest = organization, client.key_digest
    if expected is not None:
        confirm(organization, Identity(expected), configured=True)
    return f"belongs to {organization.name or 'an organization without a name'} ({organization.id})"


def _dropped_tags(space: Workspace) -> list[str]:
    return sorted(space.tags.keys() - usable_tags(space.tags).keys())


def _workspaces(client: AdminClient, facts: AdminFacts, *, problems: Problems) -> list[Workspace]:
    facts.workspaces = endpoints.workspaces(client, problems=problems)
    return facts.workspaces


def _keys(client: AdminClient, facts: AdminFacts, *, problems: Problems) -> list[ApiKey]:
    facts.api_keys = endpoints.api_keys(client, problems=problems)
    return facts.api_keys


class _Listing(Protocol):
    def __call__(self, client: AdminClient, *, problems: Problems) -> Sequence[Reply]: ...


def _listed(client: AdminClient, read: _Listing, what: str) -> str:
    problems = Problems()
    entries = read(client, problems=problems)
    _refuse(problems)
    return f"{len(entries)} {what}"


def inventory_list(client: AdminClient, what: str, read: _Listing) -> Finding:
    """Whether the key may read a list that the inventory can do without."""
    try:
        return Finding(what, Status.ok, _listed(client, read, "found"))
    except MetricsError as error:
        if isinstance(error, AuthError | BadRequest) and error.status != 401:
            details = f"not listed to this key, so the inventory has none: {error.message}"
            return Finding(what, Status.skipped, details)
        return Finding(what, Status.failed, error.message, error.cure)


def _report(client: AdminClient, view: View, now: datetime) -> Finding:
    """The last two closed buckets, asked for and read exactly as the poller does."""
    what, currencies = f"Report {view.dataset}", set[str]()

    def look() -> str:
        step = WIDTHS[view.width]
        end = floor(now, step)
        rows, problems = 0, Problems()
        for bucket in read_buckets(client, view.query(Range(end - 2 * step, end))):
            where = f"{view.dataset} {bucket.start:%Y-%m-%dT%H:%MZ}"
            read: list[Any] = parse_rows(view.row, bucket.rows, where, problems)
            currencies.update(str(getattr(row, "currency", None) or USD) for row in read)
            rows += len(read)
        _refuse(problems)
        return f"{rows} rows in the last two closed buckets of {view.width}"

    finding = attempt(what, look)
    if other := sorted({name.upper() for name in currencies if not is_usd(name)}):
        details = f"costs in {', '.join(other)}: budgets and cost rules count {USD} only"
        return Finding(what, Status.failed, details, "Watch these costs with an alert rule of your own.")
    return finding


def analytics_reports(client: AdminClient, config: Config, now: datetime) -> Finding:
    """Whether the organization has the analytics reports; it may do without them."""
    what = "Analytics reports"
    analytics = Analytics(client, tuple(config.usage.group_by))
    tally = Tally("spend", "")

    def look() -> str:
        end = floor(now, timedelta(hours=1))
        totals = analytics.totals(Range(end - timedelta(days=1), end), now, tally)
        _refuse(tally.answers)
        if totals is None:
            return f"not available ({analytics.absence}), so spend is allocated from the daily bill"
        return f"cost by the hour, loaded until {totals.refreshed_at:%Y-%m-%d %H:%M}Z"

    finding = attempt(what, look)
    if finding.status is Status.ok and analytics.absence and config.spend.source == "analytics":
        cure = "Set spend.source to auto, or use a key that may read analytics."
        return Finding(what, Status.failed, finding.details, cure)
    return finding


def _people(client: AdminClient, config: Config, now: datetime) -> str:
    """Yesterday, read exactly as the poller does; an organization may do without either report."""
    reader, tally, today = Reader(client), Tally("people", ""), floor(now, DAY)
    persons = Persons(config.people.identify, config.people.secret(), {})
    for _ in reader.days(Range(today - DAY, today), now, persons, tally):
        pass  # what it counts is told
    _refuse(tally.answers)
    absent = "".join(f"; not available: {report} ({why})" for report, why in sorted(reader.absent.items()))
    return f"{tally.rows:,} rows of yesterday{absent}"


def _refuse(problems: Problems) -> None:
    """Raises BrokenContract when a row could not be read: polls would leave it out."""
    if problems.total:
        raise BrokenContract(str(problems), cure=_NEWER)


def names(config: Config, facts: AdminFacts) -> Iterator[Finding]:
    """Whether everything that the configuration names exists: an unknown name counts and alerts nothing."""
    ids = {space.id for space in facts.workspaces} | {DEFAULT_WORKSPACE}
    called = Names.of(facts.organization_id or "", None, facts.workspaces, facts.api_keys or ())
    called = called.with_teams(teams_of(config.teams))
    configured = [
        (f"budgets: {budget.name}: {budget.scope}", budget.whose, known_names(budget.scope, called))
        for budget in config.budgets
        if budget.scope != "organization" and (budget.scope != "api_key" or facts.api_keys is not None)
    ]
    configured += [("usage.workspace_ids", name, ids) for name in config.usage.workspace_ids]
    configured += _named_by_teams(config, called, facts)
    wrong = [(where, name, allowed) for where, name, allowed in configured if name not in allowed]
    if wrong:
        told = "; ".join(f"{where}: {name}{_meant(name, allowed)}" for where, name, allowed in wrong)
        cure = "Correct the name in the configuration; an unknown name counts nothing and raises no alert."
        yield Finding("Names in the configuration", Status.failed, told, cure)
    elif configured:
        yield Finding("Names in the configuration", Status.ok, f"{len(configured)} known")


def _named_by_teams(config: Config, called: Names, facts: AdminFacts) -> Iterator[tuple[str, str, set[str]]]:
    """What the teams name, and what they may name; nothing where teams may span several organizations."""
    teams = () if config.label else config.teams
    for team, scope, name in named_by(teams, with_keys=facts.api_keys is not None):
        yield f"teams: {team}: {scope}", name, known_names(scope, called)


def _meant(name: str, allowed: set[str]) -> str:
    close = get_close_matches(name, sorted(allowed), n=1)
    return f" is unknown; did you mean {close[0]}?" if close else " is unknown"
