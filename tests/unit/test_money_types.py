"""No float on the way of an exact figure: read off the annotations and the code of all that handles money.

Elasticsearch needs a number in a document's `*_usd`: a Decimal becomes one while the document is written, and
nowhere before. What is a statistic, a share or a drawing is named here, each with its reason.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache, cached_property
from types import ModuleType
from typing import Any, NamedTuple, get_args, get_type_hints

from pydantic import BaseModel

from anthropic_metrics.config.money import PriceSettings
from anthropic_metrics.spend.money import Usd
from anthropic_metrics.streams.registry import STREAMS

# Names that a module imports for the type checker alone.
IMPORTED_FOR_TYPES = {"PriceSettings": PriceSettings}
PACKAGES = ("spend", "finance", "forecast")
CONFIGURATION = ("config.money", "config.budgets")

# Annotations with a float, and why none of them is money.
STATISTICS = {
    "forecast.model.Forecast": "a forecast is a statistic; no exact figure is made of it",
    "forecast.model.forecast(passed)": "the part of a day that has passed",
    "forecast.model._consecutive()": "the days that the statistic is made of",
    "forecast.model.Day": "the statistic itself",
    "forecast.model._width": "the width of the band, a share",
    "forecast.series": "the statistic itself",
    "spend.check.EstimateCheck.share()": "a share",
    "spend.checks.day_error()": "a share",
    "spend.checking.Checking.newest_error()": "a share",
    "finance.report.BudgetLine.share()": "a share",
    "finance.sheets.Row": "a share of the total",
    "finance.shown.percent(share)": "a share",
    "finance.page._bar(share)": "a share",
    "finance.page._round_up": "the axis of a chart",
    "finance.page._axis": "the axis of a chart",
}
# Functions in which an exact figure becomes a float, and what for.
TURNED = {
    "forecast.model.forecast": "the statistic begins here",
    "forecast.model._consecutive": "the statistic begins here",
    "forecast.model.Forecast.at_least": "a bound of the statistic",
    "spend.check.EstimateCheck.share": "a share",
    "spend.checks.day_error": "a share",
    "spend.checks.warn_of_drift": "a line of the log, in cents",
    "finance.report.BudgetLine.share": "a share",
    "finance.sheets.grouping": "a share",
    "finance.page._fact": "a change in per cent",
    "finance.page._chart": "the height of a bar",
    "finance.workbook._write": "a cell of a workbook is a double",
}
# Numbers of documents in dollars that are statistics.
FORECASTS = {"forecast_usd", "forecast_low_usd", "forecast_high_usd"}
# Names of money. Text is decimal text, a whole number a count of units: only a float loses digits.
MONEY = re.compile(r"(^|_)(usd|amount|amounts|spent|billed|bill|listed|price|paid|cents|limit|posted)$")


class Annotation(NamedTuple):
    """`place` is such as `spend.money.times(amount)`, with empty parentheses for what is returned."""

    place: str
    name: str
    type: Any


def modules(package: str) -> list[ModuleType]:
    root = importlib.import_module(f"anthropic_metrics.{package}")
    names = [info.name for info in pkgutil.iter_modules(getattr(root, "__path__", []))]
    return [root, *(importlib.import_module(f"{root.__name__}.{name}") for name in names)]


def annotations_of(module: ModuleType) -> Iterator[Annotation]:
    """Of functions, methods, properties, classes' fields and constants, aliases resolved."""
    short = module.__name__.removeprefix("anthropic_metrics.")
    yield from _hints(module, short)
    for name, value in vars(module).items():
        if getattr(value, "__module__", None) != module.__name__:
            if type(value).__module__ in ("typing", "types", "collections.abc") and not name.startswith("__"):
                yield Annotation(f"{short}.{name}", name, value)
        elif inspect.isclass(value):
            yield from _hints(value, f"{short}.{name}")
            for inner, member in vars(value).items():
                yield from _of_function(_function(member), f"{short}.{name}.{inner}")
        else:
            yield from _of_function(value, f"{short}.{name}")


def _function(member: Any) -> Any:
    if isinstance(member, property):
        return member.fget
    return member.func if isinstance(member, cached_property) else getattr(member, "__func__", member)


def _of_function(function: Any, place: str) -> Iterator[Annotation]:
    function = inspect.unwrap(function)
    if inspect.isfunction(function) and function.__module__.startswith("anthropic_metrics."):
        for name, kind in get_type_hints(function, function.__globals__ | IMPORTED_FOR_TYPES).items():
            if name == "return":
                yield Annotation(f"{place}()", function.__name__, kind)
            else:
                yield Annotation(f"{place}({name})", name, kind)


def _hints(owner: Any, place: str) -> Iterator[Annotation]:
    for name, kind in get_type_hints(owner).items():
        yield Annotation(f"{place}.{name}", name, kind)


def leaves(kind: Any) -> set[Any]:
    """All types in an annotation, those in generics and behind aliases too."""
    inner = [part for arg in get_args(kind) for part in (arg if isinstance(arg, list) else [arg])]
    return {kind} if not inner else {leaf for part in inner for leaf in leaves(part)}


@cache
def all_annotations() -> tuple[Annotation, ...]:
    packages = (*PACKAGES, *CONFIGURATION)
    return tuple(
        each for package in packages for module in modules(package) for each in annotations_of(module)
    )


def test_the_walk_sees_fields_parameters_returns_and_aliases() -> None:
    places = {each.place: each.type for each in all_annotations()}
    assert Decimal in leaves(places["forecast.model.forecast(spent)"])
    assert float in leaves(places["forecast.series.Way"])
    assert places["spend.money.times()"] is places["spend.learn.Learned.amount"] is Usd
    assert places["finance.report.BudgetLine.left()"] == Usd | None
    assert len(places) > 1000


def test_no_annotation_holds_a_float_but_those_of_statistics() -> None:
    found = {each.place for each in all_annotations() if float in leaves(each.type)}
    reasons = {place: [start for start in STATISTICS if place.startswith(start)] for place in found}
    assert [place for place, starts in reasons.items() if not starts] == []
    assert set(STATISTICS) == {start for starts in reasons.values() for start in starts}, "a stale reason"


def test_what_is_named_as_money_is_decimal_wherever_it_is_a_number() -> None:
    named = [each for each in all_annotations() if MONEY.search(each.name)]
    assert len(named) > 60
    assert [each for each in named if float in leaves(each.type)] == []
    numbers = [each for each in named if leaves(each.type) & {int, float, Decimal, Usd}]
    assert [each for each in numbers if not leaves(each.type) & {Decimal, Usd}] == []


def test_an_exact_figure_becomes_a_float_only_where_nothing_exact_is_made_of_it() -> None:
    found: set[str] = set()
    for module in (module for package in PACKAGES for module in modules(package)):
        short = module.__name__.removeprefix("anthropic_metrics.")
        found |= {f"{short}.{name}" for name in _turning(ast.parse(inspect.getsource(module)), "")}
    assert found == set(TURNED)


def _turning(node: ast.AST, outermost: str) -> Iterator[str]:
    """The outermost functions, with a class before its methods, that call float()."""
    for child in ast.iter_child_nodes(node):
        name = outermost
        if isinstance(child, ast.FunctionDef | ast.ClassDef) and not isinstance(node, ast.FunctionDef):
            name = f"{outermost}.{child.name}".lstrip(".")
        if _makes_a_float(child):
            yield name
        yield from _turning(child, name)


def _makes_a_float(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"


def test_dollars_in_documents_are_decimals_until_they_are_written() -> None:
    found: dict[str, Any] = {}
    for stream in STREAMS:
        for model in parts(stream.document):
            found |= {f"{model.__name__}.{name}": kind for name, kind in get_type_hints(model).items()}
    dollars = {place: leaves(kind) for place, kind in found.items() if place.endswith("_usd")}
    assert len(dollars) > 25
    floats = {place.partition(".")[2] for place, kinds in dollars.items() if Decimal not in kinds}
    assert floats == FORECASTS


def parts(model: type[BaseModel]) -> set[type[BaseModel]]:
    """The model, and all models inside it."""
    inner = {leaf for kind in get_type_hints(model).values() for leaf in leaves(kind)}
    models = [leaf for leaf in inner if inspect.isclass(leaf) and issubclass(leaf, BaseModel)]
    return {model}.union(*(parts(each) for each in models))
