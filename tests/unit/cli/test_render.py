"""Results as tables, CSV and JSON: complete, literal, and safe to look at."""

from __future__ import annotations

import csv
import io
import json
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import typer
from rich.cells import cell_len
from typer.testing import CliRunner

from anthropic_metrics.cli.grid import lines
from anthropic_metrics.cli.render import Answer, Column, Format, Layout, answers, say, show
from anthropic_metrics.kernel.absent import Absent
from anthropic_metrics.redaction import redact

LAYOUT = Layout(
    "found",
    Column("name"),
    Column("when", "time"),
    Column("old", "decimal"),
    Column("peak", "share"),
    Column("every", "duration"),
    Column("on", "boolean"),
)
AT = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
ROW = ("Production", AT, Decimal("1234.50"), 0.834, timedelta(minutes=5), True)
NOTHING = (None,) * 6


def printed(text: str, width: int | None = None) -> list[str]:
    """One cell as a table prints it, with its head."""
    table = Layout("t", Column("name"), Column("x", "integer")).table([(text, 1)])
    return ["".join(piece for piece, _ in line) for line in lines(table, width)]


def test_a_table_shows_each_kind_of_value_as_people_read_it(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer(LAYOUT.table([ROW, NOTHING], title="Found"), notes=["A note."]))
    title, head, row, nothing, note = capsys.readouterr().out.splitlines()
    assert (title, head.split()) == ("Found", ["name", "when", "old", "peak", "every", "on"])
    assert row == "Production  2026-11-25 12:30Z  1,234.50   83%  5m     yes"
    assert (nothing.split(), note) == (["-"] * 6, "A note.")


def test_json_has_exact_values_under_stable_names(capsys: pytest.CaptureFixture[str]) -> None:
    show(Answer(LAYOUT.table([ROW, NOTHING]), notes=["A note."], problems=["Broken."]), Format.json)
    printed = capsys.readouterr()
    body = json.loads(printed.out)
    assert body["found"][0] == {
        "name": "Production",
        "when": "2026-11-25T12:30:00Z",
        "old": "1234.50",
        "peak": 0.834,
        "every": "5m",
        "on": True,
    }
    assert set(body["found"][1].values()) == {None}
    assert (body["notes"], body["problems"]) == (["A note."], ["Broken."])
    assert printed.err.splitlines() == ["A note.", "Broken."]


def test_the_words_in_place_of_a_value_are_in_tables_alone_and_so_are_footnotes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    row = ("Production", Absent("never"), None, None, None, None)
    answer = Answer(LAYOUT.table([row]), footnotes=["Rounded."])
    for chosen, words in ((Format.table, True), (Format.csv, False), (Format.json, False)):
        show(answer, chosen)
        printed = capsys.readouterr()
        assert ("never" in printed.out, "Rounded." in printed.out + printed.err) == (words, words)
        assert "Production" in printed.out


def test_csv_has_one_line_of_names_and_nothing_else_on_standard_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(Answer(LAYOUT.table([ROW, NOTHING]), notes=["A note."]), Format.csv)
    names, row, nothing = csv.reader(io.StringIO(capsys.readouterr().out))
    assert names == ["name", "when", "old", "peak", "every", "on"]
    assert row == ["Production", "2026-11-25T12:30:00Z", "1234.50", "0.834", "5m", "true"]
    assert nothing == [""] * 6


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1", "-1", "@SUM(A1)", "\tx", "\r=1"])
def test_a_name_is_never_a_formula_in_a_spreadsheet(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    layout = Layout("t", Column("name"), Column("change", "decimal"))
    show(Answer(layout.table([(name, Decimal(-5))])), Format.csv)
    (_, (text, number)) = csv.reader(io.StringIO(capsys.readouterr().out))
    assert text[0] in "'\\"
    assert number == "-5"


@pytest.mark.parametrize(
    "name", ["chat [/prod]", "Acme [emea] Ltd", "[cluster:monitor/main]", ":smile: [b]x"]
)
def test_a_name_with_brackets_stands_literally_in_every_cell(name: str) -> None:
    assert printed(name)[1].startswith(name)


def test_a_name_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    evil = "a\x1b[2Jb\x9b31mc\u202ed\ne"
    say(evil)
    shown = [*printed(evil), capsys.readouterr().err.replace("\n", "")]
    for text in shown:
        assert not any(
            ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 or letter == "\u202e" for letter in text
        )
    assert "a\\x1b[2Jb\\x9b31mc\\u202ed" in shown[1]


def test_a_secret_is_in_no_format(capsys: pytest.CaptureFixture[str]) -> None:
    redact.add("render-test-secret")
    table = Layout("t", Column("name")).table([("with render-test-secret inside",)])
    for format in Format:
        show(Answer(table, notes=["render-test-secret"], problems=["sk-ant-admin01-abcdefgh"]), format)
    both = capsys.readouterr()
    assert "render-test-secret" not in both.out + both.err
    assert "abcdefgh" not in both.out + both.err


def test_a_narrow_terminal_gets_every_word_within_its_width() -> None:
    names = ("Staging of the data platform", "Claude Opus 4.x", "input_tokens_per_minute_cache_aware")
    layout = Layout(
        "headroom",
        Column("workspace"),
        Column("group"),
        Column("limit"),
        *(Column(f"number_{index}", "integer") for index in range(9)),
    )
    table = layout.table([(*names, *range(1_000_000, 1_000_009))])
    found = ["".join(piece for piece, _ in line) for line in lines(table, 80)]
    assert max(map(cell_len, found)) <= 80
    for name in names:
        assert name in " ".join(found)
    assert "number 8: 1,000,008" in " ".join(found)


def test_a_wide_text_is_wrapped_between_words_before_a_table_becomes_blocks() -> None:
    words = "word " * 30
    found = printed(words.strip(), 40)
    assert max(map(len, found)) <= 40
    assert found[0].split() == ["name", "x"]
    assert " ".join(found[1:]).split().count("word") == 30


def test_a_pipe_gets_every_row_on_one_line() -> None:
    assert len(printed("word " * 200)) == 2


def test_wide_characters_keep_the_columns_in_line() -> None:
    table = Layout("t", Column("name"), Column("x", "integer")).table([("客服 🚀", 1), ("plain", 22)])
    found = ["".join(piece for piece, _ in line) for line in lines(table, None)]
    assert len({cell_len(line) for line in found}) == 1


def test_a_table_without_rows_says_so() -> None:
    table = LAYOUT.table([], empty="No corrections.")
    assert list(lines(table, 80)) == [[("No corrections.", "")]]


@pytest.mark.parametrize("format", ["json", "table", "csv"])
def test_an_encoding_without_the_characters_gets_escapes(
    format: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(
        sys, "stdout", io.TextIOWrapper(raw, encoding="cp1252", errors="backslashreplace", newline="")
    )
    show(Answer(Layout("t", Column("name")).table([("客服 🚀",)])), Format(format))
    sys.stdout.flush()
    text = raw.getvalue().decode("cp1252")
    if format == "json":
        assert json.loads(text)["t"] == [{"name": "客服 🚀"}]
    else:
        assert "\\u5ba2\\u670d \\U0001f680" in text


def test_a_command_that_answers_gets_the_option_and_the_exit_code() -> None:
    app = typer.Typer()

    @app.command()
    @answers(LAYOUT)
    def find(name: str = "x") -> Answer:
        return Answer(LAYOUT.table([(name, *NOTHING[1:])]), code=1)

    done = CliRunner().invoke(app, ["--name", "y", "--format", "csv"])
    assert (done.exit_code, done.stdout.splitlines()[1]) == (1, "y,,,,,")
    assert CliRunner().invoke(app, ["--format", "xml"]).exit_code == 2
