"""What every document shares: ECS envelope, shared Anthropic dimensions, and how a field is mapped.

The pydantic models of this package are the one source of three things: what may be written, the mappings in
`index_templates/` (`documents.mapping`) and the field reference in the docs (`documents.reference`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer

from anthropic_metrics import __version__
from anthropic_metrics.versions import ECS_VERSION

AGENT_NAME = "anthropic-metrics"
# In ES|QL: another shipper may write into the same data streams, such as Elastic's own package.
OWN = f'agent.name == "{AGENT_NAME}"'


@dataclass(frozen=True)
class Mapped:
    """The Elasticsearch type of a field, with its mapping parameters (pairs, so that it can be hashed)."""

    type: str
    parameters: tuple[tuple[str, Any], ...] = ()


Keyword = Annotated[str, Mapped("keyword", (("ignore_above", 1024),))]
Keywords = Annotated[list[str], Mapped("keyword", (("ignore_above", 1024),))]
Date = Annotated[datetime, Mapped("date")]
Dates = Annotated[list[datetime], Mapped("date")]
# Figures and digests are read by column and hardly ever searched for: without an index of their own they can
# still be filtered by, more slowly, and a document takes a fifth less disk.
_BY_COLUMN = ("index", False)
LARGEST_LONG = 2**63 - 1
Count = Annotated[int, Field(ge=0), Mapped("long", (_BY_COLUMN,))]
Double = Annotated[float, Mapped("double", (_BY_COLUMN,))]
# Exact until Elasticsearch needs a number.
Money = Annotated[
    Decimal, PlainSerializer(float, return_type=float, when_used="json"), Mapped("double", (_BY_COLUMN,))
]
Digest = Annotated[str, Mapped("keyword", (_BY_COLUMN, ("ignore_above", 1024)))]
Flag = Annotated[bool, Mapped("boolean")]
# Keys that users choose: each value becomes a keyword by the template's dynamic rule.
Labels = Annotated[dict[str, str], Mapped("object", (("dynamic", True),))]


class Part(BaseModel):
    """A document or an object inside one. Unknown fields are a bug of ours, so they are refused.

    Frozen, so that one part can stand in many documents.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True)


class DataStream(Part):
    type: Keyword = Field("metrics", description="Always `metrics`.")
    dataset: Keyword = Field(description="The data stream's dataset.")
    namespace: Keyword = Field(description="The data stream's namespace, from the configuration.")


class Ecs(Part):
    version: Keyword = Field(ECS_VERSION, description="The ECS version the document follows.")


class Event(Part):
    kind: Keyword = Field("event", description="`event`; `pipeline_error` where an ingest pipeline failed.")
    module: Keyword = Field("anthropic_metrics", description="Always `anthropic_metrics`.")
    dataset: Keyword = Field(description="The same as `data_stream.dataset`.")
    category: Keywords = Field(
        default_factory=lambda: ["api"], description="`api`; `configuration` for rate limits."
    )
    type: Keywords = Field(default_factory=lambda: ["info"], description="Always `info`.")
    action: Keyword | None = Field(
        None,
        description="In the agent stream: `poll`, `correction`, `limit_change`, `inventory_change`, "
        "`grain_check`, `budget`, `estimate_check`, `bill_check`, `telemetry`, `report`, `digest`, "
        "`digest_posted`.",
    )
    outcome: Keyword | None = Field(
        None, description="In the agent stream: `success` or `failure` of a poll or a check."
    )
    created: Date = Field(description="When the agent read the answer that this document was made of.")
    ingested: Date | None = Field(None, description="When Elasticsearch took the document, by its own clock.")
    hash: Digest | None = Field(
        None,
        description="Digest of the document as the agent sent it; the agent compares documents by it.",
    )


class Organization(Part):
    id: Keyword | None = Field(None, description="The organization's id; absent while it is not known.")
    name: Keyword | None = Field(
        None, description="The organization's name; with `organizations`, the one in the configuration."
    )


class Agent(Part):
    name: Keyword = Field(AGENT_NAME, description="Always `anthropic-metrics`.")
    type: Keyword = Field(AGENT_NAME, description="Always `anthropic-metrics`.")
    version: Keyword = Field(__version__, description="The agent's version.")


class Failure(Part):
    message: Keyword | None = Field(None, description="What went wrong, if something did.")


class Provider(Part):
    name: Keyword = Field("anthropic", description="Always `anthropic`.")


class Request(Part):
    model: Keyword | None = Field(None, description="The model, under its OpenTelemetry and ECS name.")


class GenAi(Part):
    provider: Provider = Provider()
    request: Request | None = None


class Workspace(Part):
    id: Keyword | None = Field(None, description="The workspace's id; `Default` is the default workspace.")
    name: Keyword | None = Field(None, description="The workspace's name.")
    tags: Labels | None = Field(None, description="The workspace's tags, a keyword each.")


class ApiKey(Part):
    id: Keyword | None = Field(None, description="The API key's id; `Console` is use without a key.")
    name: Keyword | None = Field(None, description="The API key's name.")


class Shared(Part):
    """`anthropic.*` fields that every stream has, so that one dashboard control filters every panel."""

    model: Keyword | Keywords | None = Field(None, description="The model; for rate limits each model.")
    workspace: Workspace | None = None
    api_key: ApiKey | None = None
    missing_since: Date | None = Field(
        None, description="Set while the API no longer reports this row; a second read confirms the deletion."
    )


class Team(Part):
    name: Keyword = Field(description="The team by `teams` of the configuration; `Unassigned` is the rest.")
    environment: Keyword | None = Field(None, description="The environment that the configuration gives.")
    owner: Keyword | None = Field(None, description="The owner that the configuration gives.")
    cost_centre: Keyword | None = Field(None, description="The cost centre that the configuration gives.")
    project: Keyword | None = Field(None, description="The project that the configuration gives.")


class Paid(Shared):
    """The shared fields of what somebody pays for."""

    team: Team | None = None


class Document(Part):
    """The envelope. Subclasses add `anthropic`, the part that is their own."""

    timestamp: Date = Field(alias="@timestamp", description="Bucket start; poll time for rate limits.")
    data_stream: DataStream
    ecs: Ecs = Ecs()
    event: Event
    organization: Organization | None = None
    agent: Agent = Agent()
    error: Failure | None = None
    labels: Labels | None = Field(None, description="For keywords of your own pipeline.")
    tags: Keywords | None = Field(None, description="For tags of your own pipeline.")
