"""One of several organizations fails: the others are answered, and the exit code says that a part failed."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import cast

import pytest
import typer

from anthropic_metrics.cli.organizations import of_each, of_owners
from anthropic_metrics.cli.render import Answer, Column, Layout, answers
from anthropic_metrics.config import Config
from anthropic_metrics.errors import AuthError, BadRequest, ConfigError, MetricsError, RetryLater, Stopped
from anthropic_metrics.kernel.questions import Owner, Questions

TWO = Config.model_validate(
    {
        "organizations": [
            {"name": "acme", "admin_key": "sk-ant-admin01-acme"},
            {"name": "acme-eu", "admin_key": "sk-ant-admin01-acme-eu"},
        ]
    }
)
ROWS = Layout("rows", Column("name"))


def asked(*failing: tuple[str, MetricsError]) -> Callable[[Config], Answer]:
    """What answers for an organization, or raises the error under its name."""
    errors = dict(failing)

    def answer(own: Config) -> Answer:
        if own.label in errors:
            raise errors[own.label]
        return Answer(ROWS.table([(f"of {own.label}",)]))

    return answer


def ended(answer: Callable[[Config], Answer], *, verdict: bool) -> int:
    command = answers(ROWS, verdict=verdict)(lambda: of_each(TWO, None, answer))
    with pytest.raises(typer.Exit) as ending:
        command()
    return int(ending.value.exit_code)


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("--workspace: there is no workspace 'Nope' in the data"),
        RetryLater("The Admin API answered 503."),
        AuthError("The key was refused."),
        BadRequest("The Admin API answered 404."),
    ],
)
@pytest.mark.parametrize(("verdict", "code"), [(False, 1), (True, 3)])
def test_an_organization_that_fails_costs_neither_the_others_nor_the_exit_code(
    error: MetricsError, verdict: bool, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(asked(("acme-eu", error)), verdict=verdict) == code
    printed = capsys.readouterr()
    assert printed.out.split() == ["organization", "name", "acme", "of", "acme"]
    assert printed.err.startswith(f"acme-eu: {error.message}")


def test_a_known_answer_counts_more_than_a_failure_of_another_organization() -> None:
    def exceeded(own: Config) -> Answer:
        return asked(("acme", RetryLater("busy")))(own) if own.label == "acme" else Answer(code=1)

    assert ended(exceeded, verdict=True) == 1


@pytest.mark.parametrize("error", [ConfigError("--by: cannot group by this"), RetryLater("busy")])
def test_what_all_organizations_say_alike_is_one_error(error: MetricsError) -> None:
    with pytest.raises(type(error)) as raised:
        of_each(TWO, None, asked(("acme", error), ("acme-eu", error)))
    assert raised.value is error


def test_errors_that_differ_are_all_said() -> None:
    failing = asked(("acme", RetryLater("busy")), ("acme-eu", AuthError("refused")))
    answer = of_each(TWO, None, failing)
    assert (answer.code, answer.problems) == (3, ("acme: busy", "acme-eu: refused"))


def holding(*owners: Owner) -> Questions:
    """A stream with documents of these organizations."""
    return cast(Questions, SimpleNamespace(organizations=lambda _: list(owners)))


def read_all(ask: Questions, organization: str | None = None) -> Answer:
    return of_owners(ask, "stream", TWO, organization, lambda *_: Answer())


def test_an_organization_without_data_in_the_stream_is_named() -> None:
    notes = read_all(holding(Owner("1", "acme"))).notes
    assert notes == ("acme-eu: the stream has no data of it yet.",)
    assert read_all(holding(Owner("1", "acme"), Owner("2", "acme-eu"))).notes == ()


def test_where_one_organization_is_chosen_nothing_is_said_of_data_of_the_others() -> None:
    renewed = holding(Owner("1", "acme"), Owner("2", "acme"), Owner("3", "acme-eu"))
    assert read_all(renewed, "acme").notes == ()


def test_a_stop_is_no_failure_of_an_organization() -> None:
    with pytest.raises(Stopped):
        of_each(TWO, None, asked(("acme", Stopped())))


def test_a_preview_of_one_organization_that_fails_prints_those_of_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from anthropic_metrics.cli import polling

    def previewed(own: Config, _: object) -> list[object]:
        if own.label == "acme":
            raise RetryLater("busy")
        print(own.label)  # noqa: T201  (stands in for the documents, which go to standard output)
        return []

    monkeypatch.setattr(polling, "load", lambda *_, **__: TWO)
    monkeypatch.setattr(polling, "_previewed", previewed)
    with pytest.raises(typer.Exit) as ending:
        polling.preview()
    printed = capsys.readouterr()
    assert (ending.value.exit_code, printed.out) == (1, "acme-eu\n")
    assert "acme: busy" in printed.err


def test_a_digest_of_one_organization_that_fails_is_posted_for_the_others_and_keeps_its_shape(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from anthropic_metrics.cli import digest

    settings = TWO.model_copy(
        update={"elasticsearch": TWO.elasticsearch.model_copy(update={"hosts": ("http://127.0.0.1:9",)})}
    )

    def collected(_: object, own: Config, *__: object) -> object:
        if own.label == "acme":
            raise RetryLater("busy")
        return SimpleNamespace(of=own.label, limits_trouble="no limits")

    monkeypatch.setattr(digest, "load", lambda *_, **__: settings)
    monkeypatch.setattr(digest, "_collected", collected)
    monkeypatch.setattr(digest, "body", lambda one: {"of": one.of})
    with pytest.raises(typer.Exit) as ending:
        digest.digest(show=True, shape=digest.Shape.json)
    printed = capsys.readouterr()
    assert (ending.value.exit_code, json.loads(printed.out)) == (1, [{"of": "acme-eu"}])
    assert "acme: busy" in printed.err
    assert "acme-eu: no limits" in printed.err


def test_a_digest_that_lacks_spend_limits_is_a_failure_in_part(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from anthropic_metrics.cli import digest

    settings = Config.model_validate(
        {
            "anthropic": {"admin_key": "sk-ant-admin01-acme"},
            "elasticsearch": {"hosts": ["http://127.0.0.1:9"]},
        }
    )
    monkeypatch.setattr(digest, "load", lambda *_, **__: settings)
    made = SimpleNamespace(limits_trouble="Spend limits of the Console cannot be read: busy")
    monkeypatch.setattr(digest, "_collected", lambda *_: made)
    monkeypatch.setattr(digest, "body", lambda _: {})
    with pytest.raises(typer.Exit) as ending:
        digest.digest(show=True, shape=digest.Shape.json)
    assert ending.value.exit_code == 1
    assert capsys.readouterr().err == "Spend limits of the Console cannot be read: busy\n"


def test_a_digest_that_no_organization_has_is_not_said_to_be_posted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from anthropic_metrics.alerts.webhooks import Webhook
    from anthropic_metrics.cli import digest

    def collected(_: object, own: Config, *__: object) -> str:
        raise RetryLater(f"{own.label} is busy")

    hosts = TWO.elasticsearch.model_copy(update={"hosts": ("http://127.0.0.1:9",)})
    settings = TWO.model_copy(update={"elasticsearch": hosts})
    monkeypatch.setattr(digest, "load", lambda *_, **__: settings)
    monkeypatch.setattr(digest, "webhooks", lambda *_: [Webhook("first", "http://127.0.0.1:9/1", "json")])
    monkeypatch.setattr(digest, "_collected", collected)
    with pytest.raises(typer.Exit) as ending:
        digest.digest()
    said = capsys.readouterr().err
    assert (ending.value.exit_code, "Posted" in said) == (1, False)
    assert "acme: acme is busy" in said


def test_a_webhook_that_refuses_a_digest_does_not_keep_it_from_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from anthropic_metrics.alerts.webhooks import Poster, Webhook
    from anthropic_metrics.cli import digest

    taken: list[str] = []

    def post(_: Poster, webhook: Webhook, body: object) -> None:
        if webhook.name == "first":
            raise RetryLater("Webhook first did not accept a message.")
        taken.append(webhook.name)

    monkeypatch.setattr(Poster, "post_body", post)
    monkeypatch.setattr(digest, "body", lambda one: {"of": one})
    to = [Webhook("first", "http://127.0.0.1:9/1", "json"), Webhook("second", "http://127.0.0.1:9/2", "json")]
    refused = digest._post(["one", "two"], to)  # type: ignore[list-item]  # any digest will do
    assert (taken, refused) == (["second", "second"], ["Webhook first did not accept a message."])
