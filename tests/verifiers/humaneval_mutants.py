"""Programs for HumanEval with one change each in a right one, and what upstream's check says of them."""

from __future__ import annotations

import ast
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ponder.orchestrator.types import Query

Change = tuple[ast.AST, str, Any]
CPU_S = 1
SWAPS: dict[type, type] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.Add: ast.Sub, ast.Sub: ast.Add,
    ast.Mult: ast.Add, ast.Div: ast.FloorDiv, ast.FloorDiv: ast.Div, ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult,
    ast.And: ast.Or, ast.Or: ast.And, ast.Break: ast.Continue, ast.Continue: ast.Break,
}  # fmt: skip


def right_program(query: Query) -> str:
    """The canonical solution as a whole program."""
    return query.tests[0].prefix + (query.reference or "")


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
    body = next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == query.tests[0].entry_point).body
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


def upstream_verdicts(programs: list[tuple[Query, str]]) -> list[bool]:
    """Whether upstream's check passes on each program, both in one plain interpreter, forked anew; two at a time."""
    whole = [f"{text}\n{query.tests[0].code}\ncheck({query.tests[0].entry_point})" for query, text in programs]
    workers = []
    for part in (whole[::2], whole[1::2]):
        worker = subprocess.Popen([sys.executable, "-I", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        worker.stdin.write(json.dumps(part).encode())
        worker.stdin.close()
        workers.append(worker)
    halves = [iter(json.load(worker.stdout)) for worker in workers]
    return [next(halves[i % 2]) for i in range(len(whole))]


def _reference(program: str) -> bool:
    """Whether a program runs to its end in a fork of its own."""
    child = os.fork()
    if child == 0:
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
            resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20))
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)
            os.dup2(1, 2)
            exec(program, {})
            os._exit(0)
        except BaseException:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


if __name__ == "__main__":
    print(json.dumps([_reference(program) for program in json.load(sys.stdin)]))
