"""The rules of ARCHITECTURE.md about imports, read from the code itself."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "anthropic_metrics"
SOURCE = Path(__file__).parents[2] / "src"
MODULES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (SOURCE / PACKAGE).rglob("*.py")
}


def imports(module: str, *, everywhere: bool = False) -> Iterator[str]:
    """What a module imports when it is imported; `everywhere`: in functions and for type checkers too."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    nodes = list(ast.walk(tree)) if everywhere else _at_import(tree.body)
    package = module if MODULES[module].name == "__init__.py" else module.rpartition(".")[0]
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join(package.split(".")[: len(package.split(".")) + 1 - node.level]) if node.level else ""
            )
            name = ".".join(filter(None, (base, node.module)))
            # `from package import module` imports the module.
            yield from {f"{name}.{a.name}" if f"{name}.{a.name}" in MODULES else name for a in node.names}


def _at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _at_import(node.orelse)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _at_import(node.body)
        else:
            yield node


def users(*names: str) -> set[str]:
    """The modules that import one of these distributions in any way, without the package's own name."""
    return {
        module.removeprefix(f"{PACKAGE}.")
        for module in MODULES
        if any(found.split(".")[0] in names for found in imports(module, everywhere=True))
    }


def test_there_is_no_import_circle() -> None:
    graph = {
        module: {each for each in imports(module) if each in MODULES and each != module} for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


# Deadlines, bodies, authorities and proxies are the same for the clients of all servers.
USES_HTTPX = {"alerts.webhooks", "body", "certificates", "config.alerts", "deadline"}
CALL = re.compile(
    r"\b(es|client|elasticsearch)\.(search|mget|index|bulk|esql|indices|cluster|security|ingest|nodes)\b"
)


def test_only_elastic_and_embedded_import_the_elasticsearch_client() -> None:
    found = users("elasticsearch", "elastic_transport")
    assert not {each for each in found if not each.startswith(("elastic.", "embedded."))}


def test_only_elastic_and_embedded_ask_elasticsearch() -> None:
    asking = {
        module.removeprefix(f"{PACKAGE}.")
        for module, path in MODULES.items()
        if CALL.search(path.read_text(encoding="utf-8"))
    }
    assert not {each for each in asking if not each.startswith(("elastic.", "embedded."))}


def test_only_clients_of_http_servers_import_httpx() -> None:
    found = users("httpx")
    assert {each for each in found if not each.startswith(("admin_api.", "kibana."))} == USES_HTTPX


def test_there_is_one_recipe_of_digests() -> None:
    assert says(r"\bblake2b\b") == {"kernel.digests"}


def says(pattern: str) -> set[str]:
    """The modules whose text a pattern fits, without the package's own name."""
    expression = re.compile(pattern)
    return {
        module.removeprefix(f"{PACKAGE}.")
        for module, path in MODULES.items()
        if expression.search(path.read_text(encoding="utf-8"))
    }


def test_there_is_one_formatter_of_times_besides_the_simulated_api() -> None:
    by_hand = r'strftime\("%Y-%m-%dT|(replace|removesuffix)\("\+00:00"'
    assert says(by_hand) == {"kernel.ranges", "simulator.clock"}


def test_a_width_is_one_type() -> None:
    assert says(r'Literal\[.*"1m".*\]') == {"kernel.ranges"}


def test_an_interval_is_one_type() -> None:
    assert says(r"class \w*(Range|Span|Interval)\b(?!\()") == {"kernel.ranges"}


def test_the_key_of_a_limit_group_is_made_in_one_place() -> None:
    assert says(r"join\(sorted\(models\)\)") == {"limits.groups"}


def test_names_of_data_streams_are_made_in_one_place() -> None:
    assert says(r'f"metrics-\{') <= {"kernel.datasets"}


def test_the_kernel_imports_nothing_that_talks_to_a_server() -> None:
    kernel = {module for module in MODULES if module.startswith(f"{PACKAGE}.kernel.")}
    parts = {each.split(".")[1] for module in kernel for each in imports(module) if each.startswith(PACKAGE)}
    assert parts == {"documents", "errors", "kernel"}


def _public(module: str) -> set[str]:
    """What a module defines; a package that defines nothing offers what it imports."""
    body = ast.parse(MODULES[module].read_text(encoding="utf-8")).body
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    imported = {
        alias.asname or alias.name
        for node in body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    names = imported if MODULES[module].name == "__init__.py" and not defined else defined
    return {name for name in names - {"annotations"} if not name.startswith("_")}


@pytest.mark.parametrize(
    "module", sorted(m for m in MODULES if "\n__all__ = " in MODULES[m].read_text("utf-8"))
)
def test_a_list_of_public_names_is_complete_and_sorted(module: str) -> None:
    listed = importlib.import_module(module).__all__
    assert listed == sorted(listed)
    assert not [name for name in listed if not hasattr(importlib.import_module(module), name)]
    assert _public(module) - set(listed) == set()


# Participles and pronouns that say nothing of what a thing is; the glossary has nouns.
NO_NAMES = {"asked", "each", "found", "given", "held", "kept"}


def named(module: str, *kinds: type[ast.AST]) -> set[str]:
    """What a module gives a name to: classes and functions, variables and arguments, as `kinds` say."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, kinds):
            stored = not isinstance(node, ast.Name) or isinstance(node.ctx, ast.Store)
            word = next(getattr(node, field) for field in ("name", "id", "arg") if hasattr(node, field))
            names |= {word.strip("_").lower()} if stored else set()
    return names


def test_classes_and_functions_are_named_by_what_they_are() -> None:
    wrong = {module for module in MODULES if named(module, ast.ClassDef, ast.FunctionDef) & NO_NAMES} - {
        f"{PACKAGE}.alerts.state"
    }
    assert not wrong


def test_the_kernel_names_its_variables_by_what_they_are() -> None:
    kernel = [module for module in MODULES if module.startswith(f"{PACKAGE}.kernel.")]
    assert [module for module in kernel if named(module, ast.Name, ast.arg) & NO_NAMES] == [
        f"{PACKAGE}.kernel.outcome"  # `kept` is a field of the agent stream
    ]
