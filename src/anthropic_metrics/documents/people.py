"""`anthropic_metrics.people`: what one person used, cost and did with Claude Code on a UTC day."""

from __future__ import annotations

from pydantic import Field

from anthropic_metrics.documents.base import Count, Document, Flag, GenAi, Keyword, Money, Paid, Part


class PersonFields(Part):
    id: Keyword = Field(
        description="Who it is: a pseudonym (`person_...`), with `people.identify: id | email` the user id. "
        "A service account or a key has its own id; `Unattributed` is use whose actor the API does not show."
    )
    type: Keyword = Field(description="`user`, `service_account`, `api_key`, `cloud_identity` or `none`.")
    name: Keyword | None = Field(None, description="The person's name, only with `people.identify: email`.")
    email: Keyword | None = Field(None, description="The e-mail address, only with `people.identify: email`.")
    deleted: Flag | None = Field(None, description="True for a user who has been deleted.")
    alias: Keyword | None = Field(
        None, description="Pseudonym of the e-mail address, by which the two reports are joined."
    )


class Lines(Part):
    added: Count = Field(description="Lines of code that Claude Code added.")
    removed: Count = Field(description="Lines of code that Claude Code removed.")


class Edits(Part):
    accepted: Count = Field(description="Edits of files that were accepted, all tools together.")
    rejected: Count = Field(description="Edits of files that were rejected, all tools together.")


class ClaudeCodeFields(Part):
    """What the Claude Code report has of a person's day in one terminal."""

    terminal: Keyword | None = Field(None, description="The kind of terminal, such as `vscode`.")
    customer_type: Keyword = Field(description="`api` or `subscription`.")
    sessions: Count = Field(description="Sessions.")
    lines: Lines
    commits: Count = Field(description="Commits made with Claude Code.")
    pull_requests: Count = Field(description="Pull requests made with Claude Code.")
    edits: Edits
    estimated_usd: Money = Field(
        description="What the report estimates that it cost: never part of `amount_usd`."
    )


class PeopleFields(Part):
    """One person's use of a product and model (`use`), or work with Claude Code (`claude_code`), on a day."""

    kind: Keyword = Field(description="`use`: product, model, tokens and dollars; `claude_code`: the work.")
    person: PersonFields
    bucket_complete: Flag = Field(description="Whether the report had loaded the whole day.")
    product: Keyword | None = Field(
        None,
        description="The product, such as `claude_code` or `messages_api`; absent if it is not known.",
    )
    basis: Keyword = Field(
        description="`billed`: from the cost analytics report. `estimated`: from the Claude Code report, "
        "where the other one does not have the person's day yet, or at all."
    )
    amount_usd: Money | None = Field(
        None, description="Of `use`: US dollars; if billed, after discounts and before credits."
    )
    amount_exact: Keyword | None = Field(None, description="The same in all its digits, a decimal text.")
    list_usd: Money | None = Field(None, description="Of `use`, only if billed: the amount at list prices.")
    requests: Count | None = Field(None, description="Of `use`, only if billed: requests.")
    uncached_input_tokens: Count | None = Field(None, description="Input tokens that no cache held.")
    cached_input_tokens: Count | None = Field(None, description="Input tokens read from the cache.")
    cache_creation_input_tokens: Count | None = Field(None, description="Input tokens written to the cache.")
    output_tokens: Count | None = Field(None, description="Output tokens.")
    total_tokens: Count | None = Field(None, description="All input and output.")
    web_search_requests: Count | None = Field(None, description="Web searches, only if billed.")
    claude_code: ClaudeCodeFields | None = None


class PeopleAnthropic(Paid):
    people: PeopleFields


class PeopleDocument(Document):
    """A person's use of one product and model, or work with Claude Code, on a UTC day."""

    anthropic: PeopleAnthropic
    gen_ai: GenAi
