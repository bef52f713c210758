"""The documentation: its site builds without a dead link, its blocks parse, its messages are the code's."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from anthropic_metrics import cli, links
from anthropic_metrics.cli import reference, troubleshooting
from deploy.site_hooks import PAGES, relinked

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*(ROOT / "docs").glob("*.md"), *ROOT.glob("*.md")])
COMMANDS = dict(reference.commands())
# Each message with a cure as it is shown, by its anchor.
EXAMPLES = {
    anchor: message.replace(links.LEFT_OUT, "some words")
    for anchor, message in json.loads(troubleshooting.FORMS.read_text("utf-8")).items()
}
PROGRAMS = {
    "anthropic-metrics", "chown", "docker", "export", "helm", "install", "journalctl", "kubectl", "pip",
    "promtool", "python3", "scripts/demo", "scripts/test", "scripts/release", "systemctl", "curl", "git",
    "cd", "umask", "useradd",
}  # fmt: skip


def blocks() -> Iterator[Any]:
    for document in DOCUMENTS:
        text = document.read_text("utf-8")
        for number, found in enumerate(
            re.finditer(r"^ *```(\w*)\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL), 1
        ):
            yield pytest.param(found[1], found[2], id=f"{document.name}-{number}")


def lines(language: str, block: str) -> list[list[str]]:
    """The words of each command in a block of sh or of console."""
    text = block.replace("\\\n", " ")
    found = [
        line.removeprefix("$ ") for line in text.splitlines() if language == "sh" or line.startswith("$ ")
    ]
    return [words for line in found if (words := shlex.split(line, comments=True))]


@pytest.mark.parametrize(("language", "block"), list(blocks()))
def test_every_block_parses(language: str, block: str) -> None:
    if language == "json":
        json.loads(re.sub(r"^(GET|PUT|POST|DELETE) \S+\n", "", block))
    elif language == "yaml":
        assert yaml.safe_load(block) is not None
    elif language in {"sh", "console"}:
        for words in lines(language, block):
            parse([word for word in words if not re.fullmatch(r"[A-Z_]+=\S*", word)])


def parse(words: list[str]) -> None:
    """Fail for a program, command, option or file that does not exist."""
    if not words:
        return
    program = words[0].removeprefix("/opt/anthropic-metrics/bin/").removeprefix(".venv/bin/")
    assert program in PROGRAMS | {"python"} or (ROOT / program).exists(), program
    for word in words:
        if re.match(r"(deploy|scripts|docs|tests|bench)/", word):
            assert (ROOT / word).exists(), word
    if program == "anthropic-metrics":
        understood(words[1:])
    if "anthropic-metrics" in words[1:] and "--" in words:
        understood(words[words.index("--") + 2 :])


def understood(words: list[str]) -> None:
    """The command line of ours is one that the command would take."""
    until = next((place for place, word in enumerate(words) if word in {"|", ">", "&&", ";"}), len(words))
    words = words[:until]
    if words and words[0] in {"--version", "-h", "--help", "--install-completion"}:
        return
    name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
    command = COMMANDS[name]
    command.make_context(name, words[len(name.split()) :], resilient_parsing=False)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_to_a_file_leads_to_one(document: Path) -> None:
    relinked(document.read_text("utf-8"), "docs" if document.parent.name == "docs" else "", "https://x")


def test_no_page_installs_the_package_by_a_name_that_is_not_published() -> None:
    named = re.compile(r"pip install '?anthropic-metrics")
    everything = [*DOCUMENTS, *(ROOT / "src").rglob("*.py")]
    assert [path.name for path in everything if named.search(path.read_text("utf-8"))] == []


def test_the_site_builds_without_a_dead_link_or_anchor(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={"NO_MKDOCS_2_WARNING": "1", "PATH": "/usr/bin:/bin"},
    )
    assert built.returncode == 0, built.stderr
    for page in (*(path.name for path in (ROOT / "docs").glob("*.md")), *PAGES.values()):
        assert (tmp_path / page).with_suffix(".html").exists(), page
    shown = (tmp_path / "troubleshooting.html").read_text("utf-8")
    assert "fonts.googleapis" not in shown
    ids = re.findall(r'<a id="([^"]+)"', shown)
    assert len(ids) == len(set(ids))
    addresses = {links.see(text) for text in EXAMPLES.values()}
    assert {links.page("troubleshooting.md", name) for name in (*ids, "")} >= addresses


@pytest.mark.parametrize("anchor", EXAMPLES)
def test_the_address_of_each_message_with_a_cure_leads_to_its_own_section(anchor: str) -> None:
    shown = f"anthropic-metrics: acme: {EXAMPLES[anchor]} Do this about it."
    assert links.see(shown) == links.page("troubleshooting.md", anchor)
    assert f'<a id="{anchor}"></a>\n\n### ' in troubleshooting.TARGET.read_text("utf-8")


@pytest.mark.parametrize("anchor", ["check", "setup"])
def test_what_has_no_message_of_its_own_leads_to_its_command(anchor: str) -> None:
    assert links.see("another sentence", anchor).endswith(f"/docs/troubleshooting.md#{anchor}")
    assert f'<a id="{anchor}"></a>\n\n## ' in troubleshooting.TARGET.read_text("utf-8")
    assert links.see("another sentence") == ""


def test_an_error_ends_with_the_address_of_its_help(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ANTHROPIC_ADMIN_API_KEY", raising=False)
    monkeypatch.setattr(sys, "argv", ["anthropic-metrics", "preview"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    address = links.page("troubleshooting.md", "anthropic-admin-key-there-is-no-admin-api")
    assert capsys.readouterr().err.endswith(f"in the Console.\nSee {address}\n")


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (["check", "--config", "nowhere.yaml"], "write one with `anthropic-metrics config init`"),
        (["alerts", "install"], "`alerts export`"),
    ],
)
def test_a_message_about_something_missing_names_the_shortest_way_out(
    words: list[str],
    way_out: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["anthropic-metrics", *words])
    with pytest.raises(SystemExit):
        cli.main()
    message, address, _ = capsys.readouterr().err.split("\n")
    assert way_out in message
    assert "troubleshooting.md#" in address


def test_every_page_that_a_message_names_exists() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        text = path.read_text("utf-8")
        for name in re.findall(r"(?<!def )\bpage\(['\"]([^'\"]+)", text):
            assert (ROOT / "docs" / name).exists(), f"{path.name}: {name}"


FINDING = re.compile(
    r"""(?:Finding|attempt|inventory_list)\((?:client, )?"([^"]+)"|^[A-Z_]+ = "([A-Z][^".]*)"$""",
    re.MULTILINE,
)


def test_the_page_explains_every_line_of_check() -> None:
    told = {
        name
        for path in (ROOT / "src/anthropic_metrics/checks").glob("*.py")
        for found in FINDING.findall(path.read_text("utf-8"))
        for name in filter(None, found)
    }
    section = troubleshooting.TARGET.read_text("utf-8").partition("## What `check` says")[2]
    explained = " ".join(re.findall(r"^\|([^|]+)\|", section.partition("\n## ")[0], re.MULTILINE))
    assert {"Telemetry destinations", "Admin API key", "Workspace tags"} <= told
    assert [name for name in sorted(told) if f"`{name}`" not in explained] == []


def test_a_message_with_a_cure_is_found_in_the_code_and_on_the_page() -> None:
    messages = troubleshooting.messages()
    assert "elasticsearch.hosts: no cluster is configured." in messages["Configuration and commands"]
    assert "… The Admin key is wrong, disabled or deleted." in messages["Admin API"]
    assert (
        "elasticsearch.api_key"
        in messages["Elasticsearch"]["…: Elasticsearch refused the credentials (401)."]
    )
    assert "kibana.api_key" in messages["Kibana"]["…: Kibana refused the credentials (401)."]
    assert troubleshooting.page() == troubleshooting.TARGET.read_text("utf-8")
    assert troubleshooting.forms() == troubleshooting.FORMS.read_text("utf-8")


def test_every_page_is_reached_by_links_from_the_readme() -> None:
    reached, left = set[Path](), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page not in reached and page.suffix == ".md":
            reached.add(page)
            links = re.findall(r"\]\(([^)#:]+\.md)", page.read_text("utf-8"))
            left += [(page.parent / link).resolve() for link in links]
    assert set(DOCUMENTS) - reached == set()


# Written by scripts/docs, or a list of short entries.
UNWRAPPED = {"CHANGELOG.md", "commands.md", "configuration.md", "fields.md", "troubleshooting.md"}


@pytest.mark.parametrize(
    "page", [path for path in DOCUMENTS if path.name not in UNWRAPPED], ids=lambda path: path.name
)
def test_no_line_of_prose_is_longer_than_120_characters(page: Path) -> None:
    written = re.sub(
        r"^<!-- (\w+): begin -->.*?^<!-- \1: end -->", "", page.read_text("utf-8"), flags=re.M | re.S
    )
    prose = BLOCK.sub("", written).splitlines()
    assert [line for line in prose if len(line) > 120 and not line.startswith("|")] == []


def test_every_page_is_in_the_sites_navigation() -> None:
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    for page in (*(path.name for path in (ROOT / "docs").glob("*.md")), *PAGES.values()):
        assert f": {page}\n" in text, page


@pytest.mark.parametrize(
    "form", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml")), ids=lambda path: path.stem
)
def test_an_issue_form_has_what_it_needs(form: Path) -> None:
    loaded = yaml.safe_load(form.read_text("utf-8"))
    if form.stem != "config":
        assert {"name", "description", "body"} <= loaded.keys()
        assert all({"type", "attributes"} <= field.keys() for field in loaded["body"])


COMMAND = re.compile(r"`(\S+=\S+ )*(anthropic-metrics|scripts/|python -m bench\.)[^`]*`")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
MADE = re.compile(r"^<!-- \w+: begin -->|^\|[^\n]*\b(seconds|CPU|MiB)\b[^\n]*\|\n\|-", re.MULTILINE)


@pytest.mark.parametrize(
    "page", [path for path in DOCUMENTS if path.name != "ARCHITECTURE.md"], ids=lambda page: page.name
)
def test_a_result_stands_under_the_command_that_makes_it(page: Path) -> None:
    """Output of commands, and tables that a test or a bench has written or measured."""
    for section in re.split(r"^#+ ", page.read_text("utf-8"), flags=re.MULTILINE):
        shown = [block for block in BLOCK.finditer(section) if block[1] in ("", "console")]
        results = [block for block in shown if not block[2].startswith("$ ")]
        for result in (*results, *MADE.finditer(section)):
            heading = section.splitlines()[0]
            assert COMMAND.search(section[: result.start()]), f"{heading}: {result[0]}"
