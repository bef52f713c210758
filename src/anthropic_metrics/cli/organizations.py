"""What the commands do where there are several organizations: all of them in one table, or one by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated

import typer

from anthropic_metrics.cli.render import Answer, Column, Layout, Table
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import ConfigError
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.questions import Owner, Questions

OrganizationOption = Annotated[
    str | None,
    typer.Option(
        "--organization",
        help="Only this organization, by name or id; by default all.",
        show_default=False,
    ),
]
_OWN = "organization"

NOBODY = Owner("")


def chosen(config: Config, organization: str | None) -> tuple[Config, ...]:
    """The configuration of each organization, or of the one that is named; ConfigError where it is none."""
    return config.per_organization() if organization is None else (config.of(organization),)


def of_each(config: Config, organization: str | None, answer: Callable[[Config], Answer]) -> Answer:
    """The answer for each organization, together; for the one that is named its own."""
    configs = chosen(config, organization)
    if len(configs) == 1:
        return answer(configs[0])
    return _all({own.label: partial(answer, own) for own in configs})


def one_of(config: Config, organization: str | None, what: str) -> Config:
    """The configuration of the organization that is named, or of the only one; ConfigError asks which."""
    configs = chosen(config, organization)
    if len(configs) > 1:
        names = ", ".join(own.label for own in configs)
        raise ConfigError(f"--organization: {what} covers one organization; choose one of {names}")
    return configs[0]


def of_owners(
    ask: Questions,
    stream: str,
    config: Config,
    organization: str | None,
    answer: Callable[[Owner, Config], Answer],
) -> Answer:
    """The answer for each organization that the stream has documents of, together; for one its own.

    `organization` chooses one by its name or id. Each answer is made with the configuration of its
    organization; NOBODY stands for a stream without documents. ConfigError for a name that is not known.
    """
    owners = _owners(ask, stream, config, organization)
    is_alone = organization is not None or not config.organizations
    if not owners or (is_alone and len(owners) == 1):
        owner = owners[0] if owners else NOBODY
        return answer(owner, _config_of(owner, config))
    names = [owner.name for owner in owners]
    labels = [
        owner.name if owner.name and names.count(owner.name) == 1 else f"{owner.name or ''} ({owner.id})"
        for owner in owners
    ]
    return _all(
        {
            label.strip(): partial(answer, owner, _config_of(owner, config))
            for label, owner in zip(labels, owners, strict=True)
        }
    )


def owner_of(es: Client, config: Config, organization: str) -> str:
    """The name, in the documents, of the organization that is named or whose id is given. ConfigError."""
    stream = stream_name(AGENT, config.namespace)
    for owner in _owners(ElasticQuestions(es, must_refresh=False), stream, config, organization):
        return owner.name or owner.id
    raise ConfigError(f"--organization: no data of {organization} has been read yet")


def _all(questions: Mapping[str, Callable[[], Answer]]) -> Answer:
    """All answers together; what only some organizations have, such as a workspace, need not be in all."""
    answers: dict[str, Answer] = {}
    refusals: list[ConfigError] = []
    for label, ask in questions.items():
        try:
            answers[label] = ask()
        except ConfigError as error:
            refusals.append(error)
            answers[label] = Answer(notes=[error.message])
    if len(refusals) == len(answers):
        raise refusals[0]
    return together(answers)


def _owners(ask: Questions, stream: str, config: Config, wanted: str | None) -> list[Owner]:
    owners = ask.organizations(stream)
    if wanted is None:
        return owners
    folded = wanted.casefold()
    chosen = [owner for owner in owners if folded in (owner.id.casefold(), (owner.name or "").casefold())]
    configured = [organization.name for organization in config.organizations]
    if not chosen and folded not in map(str.casefold, configured):
        known = sorted({*(owner.name or owner.id for owner in owners), *configured})
        hint = f"known are {', '.join(known)}" if known else "the stream holds none yet"
        raise ConfigError(f"--organization: there is no organization {wanted!r} in the data; {hint}")
    return chosen


def _config_of(owner: Owner, config: Config) -> Config:
    names = {organization.name for organization in config.organizations}
    return config.of(owner.name) if owner.name in names else config


def together(answers: Mapping[str, Answer]) -> Answer:
    """One answer of several, by the organization's name: tables of one layout become one table.

    Its first column is the organization. What all say stands once; the rest names whose it is.
    """
    names: dict[str, list[tuple[str, Table]]] = {}
    for organization, answer in answers.items():
        for table in answer.tables:
            names.setdefault(table.layout.name, []).append((organization, table))
    return Answer(
        *(_joined(tables) for tables in names.values()),
        notes=_said({name: answer.notes for name, answer in answers.items()}),
        problems=_said({name: answer.problems for name, answer in answers.items()}),
        footnotes=_said({name: answer.footnotes for name, answer in answers.items()}),
        code=_worst(answer.code for answer in answers.values()),
    )


def _worst(codes: Iterable[int]) -> int:
    """What is known of one organization counts more than what is not known of another."""
    ended = set(codes)
    return 1 if 1 in ended else max(ended)


def with_organization(layout: Layout) -> Layout:
    """The layout with the organization before all other columns."""
    return Layout(layout.name, Column(_OWN), *(column for column in layout.columns if column.name != _OWN))


def _joined(tables: Sequence[tuple[str, Table]]) -> Table:
    first = tables[0][1].layout
    layout, names = with_organization(first), [column.name for column in first.columns]
    rows = [
        (organization, *(value for name, value in zip(names, row, strict=True) if name != _OWN))
        for organization, table in tables
        for row in table.rows
    ]
    most = [table.most for _, table in tables if table.most is not None]
    titles = list(dict.fromkeys(table.title for _, table in tables if table.title))
    return layout.table(
        rows,
        title=titles[0] if len(titles) == 1 else "",
        empty=tables[0][1].empty,
        most=sum(most) if most else None,
    )


def _said(texts: Mapping[str, Sequence[str]]) -> list[str]:
    """Each text once: plain where all say it, else after the names of those that do."""
    by_text: dict[str, list[str]] = {}
    for organization, said in texts.items():
        for text in dict.fromkeys(said):
            by_text.setdefault(text, []).append(organization)
    return [
        text if len(names) == len(texts) else f"{', '.join(names)}: {text}" for text, names in by_text.items()
    ]
