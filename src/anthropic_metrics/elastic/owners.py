"""Who owns a template, a pipeline or a stream, and which index template applies to a stream.

Only what `_meta.managed_by` says is ours counts as ours: a name is no proof, Fleet's package uses the same
names. A stream under somebody else's template would be mapped in other ways, so nothing is written to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from elasticsearch import Elasticsearch

from anthropic_metrics.elastic.assets import PRIORITY, Body
from anthropic_metrics.elastic.failures import SETUP_CURE, reading
from anthropic_metrics.elastic.steps import OURS, TAKE_OVER_CURE, get, lacks_api, owner, quoted
from anthropic_metrics.errors import AuthError, BadRequest, SinkError
from anthropic_metrics.kernel.datasets import stream_name, template_name
from anthropic_metrics.streams.registry import BY_DATASET

_READ = "index_templates.name," + ",".join(
    f"index_templates.index_template.{name}"
    for name in ("index_patterns", "priority", "composed_of", "_meta")
)
_OWNERS = "component_templates.name,component_templates.component_template._meta"


@dataclass(frozen=True)
class Templates:
    """Every index template by name, and the names of the component templates that are ours."""

    bodies: Mapping[str, Body]
    components: frozenset[str] = frozenset()

    def owner(self, name: str) -> str:
        """Who the index template `name` belongs to."""
        return owner(self.bodies[name])

    def is_ours(self, name: str) -> bool:
        """Whether it makes what the agent needs: it is ours, or the user's and composed of ours."""
        return self.owner(name) == OURS or not self.components.isdisjoint(
            self.bodies[name].get("composed_of", ())
        )


@dataclass(frozen=True)
class Applying:
    """The index template that a new backing index of `stream` is made of; `template` is None without one.

    `ours`: what it makes is mapped as the agent needs it, even where the template itself is the user's.
    """

    stream: str
    template: str | None
    priority: int = 0
    owner: str = ""
    ours: bool = False

    def __str__(self) -> str:
        if self.template is None:
            return "no index template"
        return f"{self.template} (priority {self.priority}, owner {self.owner})"

    @property
    def outranks_ours(self) -> bool:
        """Whether it applies even where ours is installed."""
        return self.priority >= PRIORITY

    @property
    def cure(self) -> str:
        """What to do where it is not ours."""
        if self.template in {template_name(dataset) for dataset in BY_DATASET}:
            return TAKE_OVER_CURE
        return (
            f"Exclude metrics-anthropic_metrics.* from the index patterns of {self.template}, or lower its "
            f"priority below {PRIORITY}; then run `anthropic-metrics setup`."
        )


def index_templates(es: Elasticsearch) -> Templates:
    """The index templates: patterns, priority, components and owner. Raises what `get` raises."""
    templates = get(es, f"/_index_template?filter_path={_READ}").get("index_templates", [])
    path = f"/_component_template/{quoted(template_name('anthropic_metrics'))}.*?filter_path={_OWNERS}"
    with reading("Looking at index templates"):
        components = get(es, path).get("component_templates", [])
        return Templates(
            {template["name"]: template["index_template"] for template in templates},
            frozenset(
                component["name"]
                for component in components
                if owner(component.get("component_template", {})) == OURS
            ),
        )


def winner(stream: str, templates: Templates, *, others_only: bool = False) -> Applying:
    """The template of the highest priority whose patterns match, as Elasticsearch chooses it.

    `others_only`: as if none of our names were there.
    """
    own = {template_name(dataset) for dataset in BY_DATASET} if others_only else set()
    matching = [
        (int(body.get("priority") or 0), name)
        for name, body in templates.bodies.items()
        if name not in own and any(_matches(pattern, stream) for pattern in body.get("index_patterns", ()))
    ]
    if not matching:
        return Applying(stream, None)
    priority, name = max(matching)
    return Applying(stream, name, priority, templates.owner(name), templates.is_ours(name))


def applying(es: Elasticsearch, namespace: str, templates: Templates) -> Iterator[Applying]:
    """What applies to each stream of the namespace now, as far as this user may ask.

    Elasticsearch itself is asked (`_simulate_index`) what it would make; a user without the right to is
    answered from the list of templates.
    """
    for dataset in BY_DATASET:
        applied = winner(stream_name(dataset, namespace), templates)
        made = _simulated(es, applied.stream)
        if made is None:
            yield applied
        else:
            with reading("Simulating an index"):
                ours = owner(made.get("template", {}).get("mappings", {})) == OURS
            yield Applying(applied.stream, applied.template, applied.priority, applied.owner, ours)


def blocking(namespace: str, templates: Templates) -> list[Applying]:
    """Templates of others that would keep ours from applying once ours are installed."""
    streams = (stream_name(dataset, namespace) for dataset in BY_DATASET)
    winners = (winner(stream, templates, others_only=True) for stream in streams)
    return [applied for applied in winners if applied.template and not applied.ours and applied.outranks_ours]


def require_ours(es: Elasticsearch, namespace: str, templates: Templates) -> None:
    """SinkError naming the template and its owner where a stream would not be made of ours."""
    foreign = [applied for applied in applying(es, namespace, templates) if not applied.ours]
    if foreign:
        raise foreign_template(foreign)


def foreign_template(foreign: list[Applying]) -> SinkError:
    """The error for streams that would be made of somebody else's template, or of none."""
    first, *others = foreign
    more = f" and {len(others)} more streams" if others else ""
    if first.template is None:
        return SinkError(f"No index template applies to {first.stream}{more}.", cure=SETUP_CURE)
    return SinkError(
        f"The index template {first} applies to {first.stream}{more}, so nothing is written.", cure=first.cure
    )


def _simulated(es: Elasticsearch, stream: str) -> Body | None:
    try:
        answer = get(es, f"/_index_template/_simulate_index/{quoted(stream)}", method="POST")
    except AuthError as error:
        if error.status == 401:
            raise
        return None
    except BadRequest as error:
        if lacks_api(error):
            return None
        raise
    template: Body = answer
    return template


def _matches(pattern: str, name: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), name) is not None
