"""Run the tests of the pure core over mutants of it (scripts/mutate); tests/mutation.toml says which.

pytest collects the tests once; each mutant is a fork of that process in which a function runs changed code. A
mutant that no test notices is a survivor: a test that is missing, or one of the few argued in the file.
"""

from __future__ import annotations

import argparse
import importlib
import os
import resource
import sys
import time
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from tests.harness.mutants import Mutant, mutants

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "tests/mutation.toml"
# A mutant that loops is noticed by what it costs: this many times what the unchanged code does, and seconds.
_TIMES, _SPARE = 4, 10


@dataclass
class Outcome:
    """What became of the mutants of one module."""

    killed: int = 0
    argued: int = 0
    untested: int = 0
    survivors: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        numbers = f"{self.killed} killed, {self.argued} argued, {len(self.survivors)} survived"
        return f"{numbers}, {self.untested} not reached in time" if self.untested else numbers


class Plugin:
    """Instead of one run of the collected tests, one for each mutant of `module`."""

    def __init__(self, module: str, argued: Iterable[str], seconds: float) -> None:
        self.module, self.argued, self.seconds = module, set(argued), seconds
        self.outcome = Outcome()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("a test file cannot be collected")
        file = importlib.import_module(self.module).__file__
        assert file is not None
        began = time.monotonic()
        before = _cpu_of_children()
        if not _passes(session.items, None, self.module, None):
            raise session.Interrupted("the tests fail without a mutant")
        limit = int(_TIMES * (_cpu_of_children() - before)) + _SPARE
        survived = set()
        for mutant in mutants(Path(file).read_text("utf-8"), file):
            if time.monotonic() - began > self.seconds:
                self.outcome.untested += 1
            elif not _passes(session.items, mutant, self.module, limit):
                self.outcome.killed += 1
            else:
                survived.add(mutant.name)
                if mutant.name in self.argued:
                    self.outcome.argued += 1
                else:
                    self.outcome.survivors.append(f"{Path(file).name}:{mutant.line}: {mutant.name}")
        if not self.outcome.untested:
            self.outcome.stale = sorted(self.argued - survived)
        return True


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _passes(items: list[pytest.Item], mutant: Mutant | None, module: str, limit: int | None) -> bool:
    """Whether all tests pass, in a process of their own that ends at the first failure."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1] == 0
    failed = True
    try:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        if mutant is not None:
            mutant.install(module)
        failed = any(_fails(item, after) for item, after in zip(items, [*items[1:], None], strict=True))
    finally:
        os._exit(failed)


def _fails(item: pytest.Item, after: pytest.Item | None) -> bool:
    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=after))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="scripts/mutate", description="Mutation tests of the pure core.")
    parser.add_argument("modules", nargs="*", help="such as kernel.plan; else all of mutation.toml")
    parser.add_argument("--seconds", type=float, default=600, help="the most that one module takes")
    chosen = parser.parse_args(arguments)
    table = tomllib.loads(TABLE.read_text("utf-8"))
    failed = False
    for name in chosen.modules or table:
        # A process for each, because a module that tests have imported stays imported.
        child = os.fork()
        if not child:
            code = 1
            try:
                code = _run(name, table[name], chosen.seconds)
            finally:
                sys.stdout.flush()
                os._exit(code)
        failed |= os.waitpid(child, 0)[1] != 0
    return int(failed)


def _run(name: str, entry: dict[str, list[str]], seconds: float) -> int:
    plugin = Plugin(f"anthropic_metrics.{name}", entry.get("argued", []), seconds)
    options = ["-q", "--no-header", "-p", "no:cacheprovider", "-o", "timeout=0"]
    code = pytest.main([*options, *(str(ROOT / test) for test in entry["tests"])], plugins=[plugin])
    outcome = plugin.outcome
    print(f"\n{name}: {outcome}")
    for survivor in outcome.survivors:
        print(f"  survived: {survivor}")
    for argued in outcome.stale:
        print(f"  argued, but no survivor: {argued}")
    return int(code not in (pytest.ExitCode.OK,) or bool(outcome.survivors or outcome.stale))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
