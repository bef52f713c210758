"""Elasticsearch: version, rights, templates, and what each stream holds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial

from anthropic_metrics.checks.admin import AdminFacts
from anthropic_metrics.checks.finding import Finding, Status, about, attempt
from anthropic_metrics.checks.streams import streams
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client, connect, privileges, server_version
from anthropic_metrics.elastic.failures import SETUP_CURE
from anthropic_metrics.elastic.memory import StreamMemory
from anthropic_metrics.elastic.owners import Applying, applying, index_templates
from anthropic_metrics.errors import AuthError, BadRequest, MetricsError
from anthropic_metrics.kernel.datasets import stream_name, template_name
from anthropic_metrics.kernel.inventory import confirm
from anthropic_metrics.kernel.names import Identity
from anthropic_metrics.streams.registry import BY_DATASET
from anthropic_metrics.versions import OLDEST_ELASTIC, OLDEST_TEXT

# The least rights to poll; `setup` needs the cluster privileges besides.
READ_PRIVILEGES = ("read", "view_index_metadata")
RUN_PRIVILEGES = ("auto_configure", "maintenance", "read", "view_index_metadata", "write")
SETUP_PRIVILEGES = ("manage_index_templates", "manage_ingest_pipelines")
RIGHTS = "Elasticsearch rights"
TEMPLATES = "Index templates"


def elasticsearch(
    config: Config, now: datetime, organizations: Sequence[tuple[Config, AdminFacts]]
) -> Iterator[Finding]:
    """Findings about the cluster, and about what the streams of the namespace hold of each organization."""
    try:
        config.require_elasticsearch(embeddable=True)
        es = connect(config.elasticsearch)
    except MetricsError as error:
        yield Finding("Elasticsearch", Status.failed, error.message, error.cure)
        return
    with closing(es):
        reached = attempt("Elasticsearch", lambda: _version(es))
        yield reached
        if reached.status is not Status.ok:
            return
        rights, reads = _rights(es, config.namespace)
        yield rights
        templates = _templates(es, config.namespace)
        yield from templates
        if not reads:
            yield Finding("Streams", Status.skipped, "this user may not read them")
        elif all(finding.status is not Status.failed for finding in templates):
            ids = frozenset(facts.organization_id for _, facts in organizations if facts.organization_id)
            for own, facts in organizations:
                yield from about(own, _of_organization(es, own, now, facts, ids))


def _of_organization(
    es: Client, config: Config, now: datetime, facts: AdminFacts, known: frozenset[str]
) -> Iterator[Finding]:
    """What the streams hold of one organization; `known` are the ids of all that are looked at."""
    if facts.organization is not None and config.anthropic.organization_id is None:
        yield attempt("Organization", partial(_same, es, config.namespace, facts.organization, facts))
    if config.label and facts.organization_id is None:
        yield Finding("Streams", Status.skipped, "the Admin API does not return its id")
    else:
        yield from streams(es, config, now, facts.organization_id, known)


def _same(es: Client, namespace: str, said: Identity, facts: AdminFacts) -> str:
    """Whether the key's earlier polls were for the organization that the Admin API names now."""
    known = StreamMemory.of(es, namespace, facts.key_digest).organization()
    if known is None:
        return "no poll with this key yet"
    confirm(said, known, configured=False)
    return "that of earlier polls with this key"


def _version(es: Client) -> str:
    try:
        version = server_version(es)
    except AuthError as error:
        if error.status == 401:
            raise
        return "reached; reading its version needs the cluster privilege monitor"
    if not version.serverless and version.number < OLDEST_ELASTIC:
        raise MetricsError(
            f"Elasticsearch {version.text} is too old.", cure=f"Use Elasticsearch {OLDEST_TEXT} or newer."
        )
    return "Elastic Cloud Serverless, which has no version" if version.serverless else version.text


def _rights(es: Client, namespace: str) -> tuple[Finding, bool]:
    """The rights, and whether they are enough to read the streams."""
    names = [stream_name(dataset, namespace) for dataset in BY_DATASET]
    try:
        answer = privileges(es, SETUP_PRIVILEGES, names, RUN_PRIVILEGES)
    except BadRequest:
        return Finding(RIGHTS, Status.skipped, "the cluster has no security"), True
    except MetricsError as error:
        return Finding(RIGHTS, Status.failed, error.message, error.cure), True
    missing = sorted(
        {name for granted in answer["index"].values() for name, has in granted.items() if not has}
    )
    sets_up = all(answer["cluster"].get(name) for name in SETUP_PRIVILEGES)
    reads = not set(READ_PRIVILEGES) & set(missing)
    return _judged(missing, f"metrics-anthropic_metrics.*-{namespace}", sets_up=sets_up), reads


def _judged(missing: list[str], streams: str, *, sets_up: bool) -> Finding:
    cure = f"Give the agent's role these index privileges on `{streams}`."
    if not missing:
        return Finding(RIGHTS, Status.ok, f"may write to {streams}{', and set up' if sets_up else ''}")
    absent = ", ".join(missing)
    if sets_up:
        details = f"may set up, but not run the agent; missing: {absent}"
        return Finding(RIGHTS, Status.ok, details)
    if not set(READ_PRIVILEGES) & set(missing):
        details = f"may read (audit, headroom, corrections), but not run the agent; missing: {absent}"
        return Finding(RIGHTS, Status.failed, details, cure)
    return Finding(RIGHTS, Status.failed, f"missing: {absent}", cure)


def _templates(es: Client, namespace: str) -> list[Finding]:
    try:
        stored = index_templates(es)
        applied = list(applying(es, namespace, stored))
    except AuthError:
        return [Finding(TEMPLATES, Status.skipped, "this user may not read them (privilege monitor)")]
    except MetricsError as error:
        return [Finding(TEMPLATES, Status.failed, error.message, error.cure)]
    foreign = [
        template for template in applied if template.template and not template.ours and _in_the_way(template)
    ]
    if foreign:
        return foreign_templates(foreign)
    there = [dataset for dataset in BY_DATASET if template_name(dataset) in stored.bodies]
    if len(there) < len(BY_DATASET):
        details = f"{len(there)} of {len(BY_DATASET)} installed"
        cure = (
            f"{SETUP_CURE.rstrip('.')} (cluster privileges {', '.join(SETUP_PRIVILEGES)}); `run` and `once` "
            "install them too if they may."
        )
        return [Finding(TEMPLATES, Status.failed, details, cure)]
    return [Finding(TEMPLATES, Status.ok, f"{len(there)} installed, and they apply to all streams")]


def _in_the_way(template: Applying) -> bool:
    """Not the built-in template that applies only as long as ours is not installed."""
    own = {template_name(dataset) for dataset in BY_DATASET}
    return template.template in own or template.outranks_ours


def foreign_templates(foreign: list[Applying]) -> list[Finding]:
    """One finding per template that somebody else owns, with every stream it takes."""
    streams: dict[tuple[str, str], list[str]] = {}
    for applying_one in foreign:
        streams.setdefault((str(applying_one), applying_one.cure), []).append(applying_one.stream)
    return [
        Finding(TEMPLATES, Status.failed, f"{template} applies to {', '.join(names)}", cure)
        for (template, cure), names in streams.items()
    ]
