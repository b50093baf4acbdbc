"""Programs for HumanEval with one change each in a right one."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

from ponder.orchestrator.code_tests import CheckTest
from ponder.orchestrator.types import Query

Change = tuple[ast.AST, str, Any]
SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Add, ast.Div: ast.FloorDiv, ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
    ast.And: ast.Or, ast.Or: ast.And, ast.Break: ast.Continue, ast.Continue: ast.Break,
}  # fmt: skip


def right_program(query: Query) -> str:
    """The canonical solution as a whole program."""
    return check_of(query).prefix + (query.reference or "")


def check_of(query: Query) -> CheckTest:
    """The query's one check."""
    (check,) = query.tests
    assert isinstance(check, CheckTest)
    return check


def mutants(query: Query, count: int) -> list[str]:
    """At most `count` programs, spread evenly over the single changes of the function to write."""
    most = len(_sites(query)[1])
    step = max(1, most // count)
    return [_mutated(query, number) for number in range(step // 2, most, step)][:count]


def _mutated(query: Query, number: int) -> str:
    tree, changes = _sites(query)
    node, field, value = changes[number]
    setattr(node, field, value)
    return ast.unparse(ast.fix_missing_locations(tree))


def _sites(query: Query) -> tuple[ast.Module, list[Change]]:
    """The right program and every change of the function to write, but for its signature and docstring."""
    tree = ast.parse(right_program(query))
    body = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == check_of(query).entry_point).body
    nodes = [node for statement in body[1:] for node in ast.walk(statement)]
    return tree, [
        change
        for node in nodes
        for kind, changes in CHANGES.items()
        if isinstance(node, kind)
        for change in changes(node)
    ]


def _swapped(node: ast.BinOp | ast.AugAssign | ast.BoolOp) -> list[Change]:
    return [(node, "op", SWAPS[type(node.op)]())] if type(node.op) in SWAPS else []


def _shifted(node: ast.Constant) -> list[Change]:
    if isinstance(node.value, bool):
        return [(node, "value", not node.value)]
    if isinstance(node.value, int | float):
        return [(node, "value", node.value + 1), (node, "value", node.value - 1)]
    return [(node, "value", f"{node.value}x")] if isinstance(node.value, str) else []


CHANGES: dict[type[ast.AST], Callable[[Any], list[Change]]] = {
    ast.Compare: lambda node: [(node, "ops", [SWAPS[type(node.ops[0])](), *node.ops[1:]])],
    ast.BinOp: _swapped,
    ast.AugAssign: _swapped,
    ast.BoolOp: _swapped,
    ast.Constant: _shifted,
    ast.Return: lambda node: [(node, "value", None)],
    ast.Slice: lambda node: [(node, side, None) for side in ("lower", "upper") if getattr(node, side)],
    ast.IfExp: lambda node: [(node, "test", ast.UnaryOp(ast.Not(), node.test))],
    ast.If: lambda node: [(node, "test", ast.UnaryOp(ast.Not(), node.test)), (node, "body", [ast.Pass()])],
    ast.For: lambda node: [(node, "body", [ast.Pass()])],
    ast.Call: lambda node: [(node, "args", node.args[:-1])] if node.args else [],
    ast.comprehension: lambda node: [(node, "ifs", [])] if node.ifs else [],
    ast.Subscript: lambda node: [(node, "slice", ast.BinOp(node.slice, ast.Add(), ast.Constant(1)))],
}
