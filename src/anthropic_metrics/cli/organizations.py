"""What the commands do where there are several organizations: all of them in one table, or one by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Annotated, TypeVar

import typer

from anthropic_metrics.cli.render import UNANSWERED, Answer, Column, Layout, Table
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.connect import Client
from anthropic_metrics.elastic.questions import ElasticQuestions
from anthropic_metrics.errors import ConfigError, MetricsError, Stopped
from anthropic_metrics.kernel.datasets import AGENT, stream_name
from anthropic_metrics.kernel.questions import Owner, Questions
from anthropic_metrics.links import with_address

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

T = TypeVar("T")


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
    every = _all(
        {
            label.strip(): partial(answer, owner, _config_of(owner, config))
            for label, owner in zip(labels, owners, strict=True)
        }
    )
    absent = [one.name for one in config.organizations if one.name not in names]
    if absent and organization is None:
        every.notes += (f"{', '.join(absent)}: the stream has no data of it yet.",)
    return every


def owner_of(es: Client, config: Config, organization: str) -> str:
    """The name, in the documents, of the organization that is named or whose id is given. ConfigError."""
    stream = stream_name(AGENT, config.namespace)
    for owner in _owners(ElasticQuestions(es, must_refresh=False), stream, config, organization):
        return owner.name or owner.id
    raise ConfigError(f"--organization: no data of {organization} has been read yet")


def answered(questions: Mapping[str, Callable[[], T]]) -> tuple[dict[str, T], dict[str, str]]:
    """What could be answered, by organization, and why the others could not be.

    Raises the error where none is answered and all say the same, or the command line is wrong for all.
    """
    found: dict[str, T] = {}
    errors: dict[str, MetricsError] = {}
    for label, ask in questions.items():
        try:
            found[label] = ask()
        except Stopped:
            raise
        except MetricsError as error:
            errors[label] = error
    said = {label: with_address(str(error)) for label, error in errors.items()}
    is_usage = all(isinstance(error, ConfigError) for error in errors.values())
    if errors and not found and (is_usage or len(set(said.values())) == 1):
        raise next(iter(errors.values()))
    return found, said


def _all(questions: Mapping[str, Callable[[], Answer]]) -> Answer:
    """All answers together. An organization that cannot be answered for is a problem with its name: the
    others are answered, and the exit code says that a part failed. Raises what `answered` raises."""
    answers, refused = answered(questions)
    failed = {label: Answer(problems=[why], code=UNANSWERED) for label, why in refused.items()}
    return together({label: (answers | failed)[label] for label in questions})


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
