"""What `check` looks at, one finding each. Nothing is written anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Protocol

import httpx
from elasticsearch import ApiError, Elasticsearch

from anthropic_metrics.admin_api import endpoints
from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.pages import read_buckets
from anthropic_metrics.admin_api.replies import Problems, Reply, parse_rows
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.config import Config
from anthropic_metrics.documents.mapping import DATASETS
from anthropic_metrics.elastic.connect import connect, server_version
from anthropic_metrics.errors import AuthError, BrokenContract, MetricsError
from anthropic_metrics.kernel.datasets import stream_name, template_name
from anthropic_metrics.kernel.ranges import WIDTHS, Range, floor
from anthropic_metrics.reports.views import View, views
from anthropic_metrics.versions import OLDEST_ELASTIC, OLDEST_TEXT

# The least rights to poll; `setup` needs the cluster privileges besides.
RUN_PRIVILEGES = ["auto_configure", "read", "write", "maintenance", "view_index_metadata"]
SETUP_PRIVILEGES = ["manage_index_templates", "manage_ingest_pipelines"]
_NEWER = "The API may have changed: look for a newer version of the agent."
# Somebody is waiting for the answer: one quick second try, no long patience.
IMPATIENT = RetryPolicy(attempts=2, longest_wait=timedelta(seconds=5))


class Status(StrEnum):
    """How a check ended."""

    ok = "ok"
    failed = "failed"
    skipped = "skipped"


@dataclass(frozen=True)
class Finding:
    """One line of the table; `cure` says how to mend a failure."""

    what: str
    status: Status
    details: str = ""
    cure: str = ""


def findings(config: Config, now: datetime) -> Iterator[Finding]:
    """Every check in order; what cannot work because an earlier one failed is left out or skipped."""
    yield from _admin_api(config, now)
    yield from _elasticsearch(config)
    yield from _kibana(config)


def _admin_api(config: Config, now: datetime) -> Iterator[Finding]:
    try:
        client = AdminClient(config.anthropic, retry=IMPATIENT)
    except MetricsError as error:
        yield Finding("Admin API key", Status.failed, error.message, error.cure)
        return
    with client:
        me = _attempt("Admin API key", lambda: f"belongs to {endpoints.organization(client).name}")
        yield me
        if me.status is Status.failed:
            return
        yield _attempt("Workspaces", partial(_listed, client, endpoints.workspaces, "found"))
        yield _attempt("API keys", partial(_listed, client, endpoints.api_keys, "found"))
        for view in views(config):
            yield _attempt(f"Report {view.dataset}", partial(_rows, client, view, now))
        yield _attempt("Rate limits", partial(_listed, client, endpoints.organization_rate_limits, "groups"))


class _Listing(Protocol):
    def __call__(self, client: AdminClient, *, problems: Problems) -> Sequence[Reply]: ...


def _listed(client: AdminClient, read: _Listing, what: str) -> str:
    problems = Problems()
    entries = read(client, problems=problems)
    _refuse(problems)
    return f"{len(entries)} {what}"


def _rows(client: AdminClient, view: View, now: datetime) -> str:
    """The last two closed buckets, asked for and read exactly as the poller does."""
    step = WIDTHS[view.width]
    end = floor(now, step)
    rows, problems = 0, Problems()
    for bucket in read_buckets(client, view.query(Range(end - 2 * step, end))):
        where = f"{view.dataset} {bucket.start:%Y-%m-%dT%H:%MZ}"
        rows += len(parse_rows(view.row, bucket.rows, where, problems))
    _refuse(problems)
    return f"{rows} rows in the last two closed buckets of {view.width}"


def _refuse(problems: Problems) -> None:
    """Raises BrokenContract when a row could not be read: polls would leave it out."""
    if problems.total:
        raise BrokenContract(str(problems), cure=_NEWER)


def _elasticsearch(config: Config) -> Iterator[Finding]:
    try:
        config.require_elasticsearch()
        es = connect(config.elasticsearch)
    except MetricsError as error:
        yield Finding("Elasticsearch", Status.failed, error.message, error.cure)
        return
    with closing(es):
        reached = _attempt("Elasticsearch", lambda: _version(es))
        yield reached
        if reached.status is Status.ok:
            yield _rights(es, config)
            yield _templates(es)


def _version(es: Elasticsearch) -> str:
    try:
        version = server_version(es)
    except AuthError as error:
        if error.status == 401:
            raise
        return "reached; its version takes the cluster privilege monitor to see"
    if not version.serverless and version.number < OLDEST_ELASTIC:
        raise MetricsError(
            f"Elasticsearch {version.text} is too old.",
            cure=f"Use Elasticsearch {OLDEST_TEXT} or newer.",
        )
    return version.text


def _rights(es: Elasticsearch, config: Config) -> Finding:
    what = "Elasticsearch rights"
    streams = [stream_name(dataset, config.namespace) for dataset in DATASETS]
    try:
        answer = es.security.has_privileges(index=[{"names": streams, "privileges": RUN_PRIVILEGES}])
    except ApiError as error:
        if error.status_code in (400, 404, 405):
            return Finding(what, Status.skipped, "the cluster has no security")
        return Finding(what, Status.failed, f"Elasticsearch answered {error.status_code}")
    absent = sorted(
        {privilege for granted in answer["index"].values() for privilege, has in granted.items() if not has}
    )
    if not absent:
        return Finding(what, Status.ok, f"may write to {streams[0].rpartition('.')[0]}.*-{config.namespace}")
    return Finding(
        what,
        Status.failed,
        f"missing: {', '.join(absent)}",
        f"Give the agent's role these index privileges on `metrics-anthropic_metrics.*-{config.namespace}`.",
    )


def _templates(es: Elasticsearch) -> Finding:
    what = "Index templates"
    try:
        there = [
            dataset
            for dataset in DATASETS
            if es.indices.exists_index_template(name=template_name(dataset)).meta.status == 200
        ]
    except ApiError as error:
        return Finding(what, Status.skipped, f"this user may not look at them ({error.status_code})")
    if len(there) == len(DATASETS):
        return Finding(what, Status.ok, f"{len(there)} installed")
    return Finding(
        what,
        Status.failed,
        f"{len(there)} of {len(DATASETS)} installed",
        "Run `anthropic-metrics setup` (its user needs the cluster privileges "
        f"{', '.join(SETUP_PRIVILEGES)}); `run` and `once` install them too if they may.",
    )


def _kibana(config: Config) -> Iterator[Finding]:
    settings = config.kibana
    if settings.url is None:
        yield Finding("Kibana", Status.skipped, "no kibana.url")
        return
    secret = settings.secret()
    headers = {"authorization": f"ApiKey {secret.get()}"} if secret else {}
    cure = "Check kibana.url and kibana.api_key."
    try:
        answer = httpx.get(f"{settings.url}/api/status", headers=headers, timeout=10)
        number = answer.json().get("version", {}).get("number") if answer.status_code == 200 else None
    except (httpx.HTTPError, ValueError) as error:
        yield Finding("Kibana", Status.failed, f"{settings.url}: {type(error).__name__}", cure)
        return
    if number is None:
        yield Finding("Kibana", Status.failed, f"{settings.url} answered {answer.status_code}", cure)
    else:
        yield Finding("Kibana", Status.ok, f"version {number}")


def _attempt(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, Status.ok, look())
    except MetricsError as error:
        return Finding(what, Status.failed, error.message, error.cure)
