"""Misbehaviour on demand: which requests are hit, how often, and what happens to their answers.

An effect is a function from an `Exchange` to the answer that goes out; `exchange.proceed()` is the true
answer. The ready ones are in `effects`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import EllipsisType

from .api import AdminApi
from .identity import share
from .requests import Answer, Request


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on its way through the API; `closing` is set when the server stops."""

    request: Request
    key: str | None
    api: AdminApi
    closing: threading.Event

    def proceed(self) -> Answer:
        """The true answer; counted against the rate limit."""
        return self.api.answer(self.request, self.key)


Effect = Callable[[Exchange], Answer]
Where = Mapping[str, str | EllipsisType]


@dataclass(eq=False)
class Rule:
    """An effect and when it strikes; `struck` counts how often it did."""

    effect: Effect
    path: str
    where: Where
    nth: int
    times: int | None
    probability: float
    seen: int = 0
    struck: int = 0

    def fits(self, request: Request) -> bool:
        return fnmatchcase(request.path, self.path) and all(
            request.get(name) == value or (value is ... and request.get(name) is not None)
            for name, value in self.where.items()
        )


@dataclass
class Faults:
    """The rules of a server, tried in order; the first that strikes decides."""

    seed: int = 7
    _rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _drawn: int = 0

    def add(
        self,
        effect: Effect,
        path: str = "*",
        *,
        where: Where | None = None,
        nth: int = 1,
        times: int | None = 1,
        probability: float = 1.0,
    ) -> Rule:
        """Strike the `nth` request whose path fits the pattern and whose parameters hold `where`, and
        those after it, `times` times in all (None: always), each with `probability` drawn from the seed."""
        rule = Rule(effect, path, dict(where or {}), nth, times, probability)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        with self._lock:
            self._rules.clear()

    def choose(self, request: Request) -> Effect | None:
        """The effect for this request, None to behave; counts the request for each rule that it fits."""
        chosen: Effect | None = None
        with self._lock:
            for rule in self._rules:
                if rule.fits(request):
                    rule.seen += 1
                    if chosen is None and self._strikes(rule):
                        rule.struck += 1
                        chosen = rule.effect
        return chosen

    def _strikes(self, rule: Rule) -> bool:
        if rule.seen < rule.nth or (rule.times is not None and rule.struck >= rule.times):
            return False
        if rule.probability >= 1:
            return True
        self._drawn += 1
        return share(self.seed, "fault", self._drawn) < rule.probability
