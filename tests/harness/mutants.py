"""Mutants of a module: its functions with one small thing changed, as code objects to run in their place."""

from __future__ import annotations

import ast
import copy
import gc
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType, FunctionType

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutant:
    """One change: `function` is its qualified name, `before` and `after` the changed code as text."""

    function: str
    line: int
    before: str
    after: str
    code: CodeType

    @property
    def name(self) -> str:
        """What tests/mutation.toml calls it; the same wherever the function stands in its file."""
        return f"{self.function}: {self.before} -> {self.after}"

    def install(self, module: str) -> None:
        """Let every function object of that name in `module` run the changed code, in this process."""
        for function in gc.get_objects():
            if (
                isinstance(function, FunctionType)
                and function.__module__ == module
                and function.__qualname__ == self.function
            ):
                function.__code__ = self.code


def mutants(source: str, file: str) -> Iterator[Mutant]:
    """All mutants of the functions and methods in `source`; constants of the module and annotations stay."""
    tree = ast.parse(source)
    for function, place in _functions(tree, ""):
        for node in _changeable(function):
            for before, after in _changes(node):
                changed = copy.deepcopy(tree)
                _replace(changed, node, after)
                ast.fix_missing_locations(changed)
                code = _find(compile(changed, file, "exec"), place)
                yield Mutant(place, node.lineno, before, ast.unparse(after).splitlines()[0], code)


def _functions(tree: ast.AST, prefix: str) -> Iterator[tuple[ast.FunctionDef, str]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield node, prefix + node.name
        elif isinstance(node, ast.ClassDef):
            yield from _functions(node, f"{prefix}{node.name}.")


def _changeable(function: ast.FunctionDef) -> Iterator[ast.expr | ast.stmt]:
    """Expressions and statements of the body, without its docstring and its annotations."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    waiting: list[ast.AST] = list(reversed(body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.expr | ast.stmt):
            yield node
        skipped = node.annotation if isinstance(node, ast.AnnAssign) else None
        waiting += [
            child for child in ast.iter_child_nodes(node) if child is not skipped and not _is_left_out(child)
        ]


def _is_left_out(node: ast.AST) -> bool:
    """Texts, and `zip(..., strict=...)`, which asserts what holds by construction."""
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.keyword) and node.arg == "strict")


def _changes(node: ast.expr | ast.stmt) -> Iterator[tuple[str, ast.expr | ast.stmt]]:
    before = ast.unparse(node)
    for after in _variants(node):
        yield (before.splitlines()[0], after)


def _variants(node: ast.expr | ast.stmt) -> Iterator[ast.expr | ast.stmt]:
    match node:
        case ast.Compare(left, [operator], right):
            yield ast.Compare(left, [_COMPARISONS[type(operator)]()], right)
        case ast.Compare(left, operators, right):
            for place, operator in enumerate(operators):
                other = [*operators[:place], _COMPARISONS[type(operator)](), *operators[place + 1 :]]
                yield ast.Compare(left, other, right)
        case ast.BoolOp(ast.And(), values):
            yield ast.BoolOp(ast.Or(), values)
        case ast.BoolOp(ast.Or(), values):
            yield ast.BoolOp(ast.And(), values)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.UnaryOp(ast.USub(), operand):
            yield operand
        case ast.BinOp(left, operator, right) if type(operator) in _ARITHMETIC:
            yield ast.BinOp(left, _ARITHMETIC[type(operator)](), right)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() as value):
            yield ast.Constant(value + 1)
        case ast.Call(ast.Name(name), arguments, keywords) if name in _CALLS:
            yield ast.Call(ast.Name(_CALLS[name], ast.Load()), arguments, keywords)
        case ast.If(test, body, orelse):
            yield ast.If(ast.UnaryOp(ast.Not(), test), body, orelse)
        case ast.IfExp(test, body, orelse):
            yield ast.IfExp(test, orelse, body)
        case ast.Continue():
            yield ast.Break()
        case ast.Expr(ast.Call()) | ast.AugAssign() | ast.Raise():
            yield ast.Pass()


def _replace(tree: ast.AST, node: ast.expr | ast.stmt, other: ast.expr | ast.stmt) -> None:
    """Put `other` where the copy of `node` stands in `tree`."""
    place = (type(node), node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if _at(value) == place:
                setattr(parent, name, copy.deepcopy(other))
                return
            if isinstance(value, list):
                for index, child in enumerate(value):
                    if _at(child) == place:
                        value[index] = copy.deepcopy(other)
                        return
    raise LookupError(ast.unparse(node))


def _at(node: object) -> object:
    if not isinstance(node, ast.expr | ast.stmt):
        return None
    return (type(node), node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)


def _find(code: CodeType, place: str) -> CodeType:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == place:
                return constant
            if place.startswith(f"{constant.co_qualname}."):
                return _find(constant, place)
    raise LookupError(place)
