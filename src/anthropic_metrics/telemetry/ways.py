"""How the API's spans get into Elasticsearch: what to enter in the Console for each way in."""

from __future__ import annotations

from dataclasses import dataclass

HEADER = "Authorization: ApiKey <key>"


@dataclass(frozen=True)
class Way:
    """A way into Elasticsearch: the endpoint URL to enter, to which the API appends `/v1/traces`."""

    name: str
    url: str
    header: str = HEADER


WAYS = (
    Way("Elastic Cloud", "the URL of the managed OTLP endpoint"),
    Way("self-managed Elasticsearch 9.5", "https://<elasticsearch>/_otlp"),
    Way("a collector as gateway", "https://<gateway>", "the header that it asks for"),
    Way("APM Server", "https://<apm server>", "Authorization: Bearer <secret token>"),
)
DOCS = "docs/requests.md"


def setup_steps() -> str:
    """What to do, in sentences."""
    ways = "; ".join(f"{way.name}: {way.url} with {way.header}" for way in WAYS)
    return (
        "Create one in the Console with provider Custom, traces on and metadata only. The address must be "
        f"public, https, port 443. {ways}. {DOCS} has the details."
    )
