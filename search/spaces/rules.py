"""What makes a composition unsound beyond what its shapes tell: choices nobody makes, work nobody uses, crowds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...orchestrator.errors import ShapeError
from ...orchestrator.pipeline import Node, Pipeline
from ...orchestrator.plan import Plan
from ...orchestrator.shape import Shape
from ...orchestrator.strategy import Strategy
from ...strategies import (
    Cascade,
    Critic,
    Fuse,
    Rank,
    Ranker,
    RouteByDifficulty,
    UnitTestEvaluator,
    UnitTestGenerator,
    Vote,
)

MAKES = {Critic: "critique", UnitTestGenerator: "unit_tests"}
USERS = {"critique": "a ranker or a fuse", "unit_tests": "a unit_test_evaluator without a verifier"}


def check(strategy: Strategy, most_candidates: int | None = None) -> None:
    """Refuse a composition that cannot run, leaves the choice of its answer to chance, or does work that nobody uses.

    Args:
        strategy: the composition.
        most_candidates: most candidates that one node may hand to the next; None for any number.

    Raises:
        ShapeError: it is unsound; tells where, what must hold and what to change.
    """
    slot = "" if isinstance(strategy, Pipeline) else strategy.kind
    for place, what in _check_whole(strategy, slot, Shape(), most_candidates):
        rule = f"its {what.replace('_', ' ')} must be used by what comes after it, but nothing does"
        raise ShapeError(place, rule, f"put {USERS[what]} after it, or take it out")


def _check_whole(strategy: Strategy, slot: str, given: Shape, most: int | None) -> list[tuple[str, str]]:
    """Check a strategy whose first candidate is taken for its answer; what it makes and does not use, and where."""
    unread, shape = _check_parts(strategy, slot, given, most)
    place, last = _last(strategy, slot)
    if shape.most > 1 and not last.chooses:
        rule = f"the last stage must choose among its candidates, but {last.kind} gives up to {shape.most} as they come"
        raise ShapeError(place, rule, "let it give one, or put a vote, a rank or a ranker after it")
    return unread


def _check_parts(strategy: Strategy, slot: str, given: Shape, most: int | None) -> tuple[list[tuple[str, str]], Shape]:
    """Check a strategy and what it consists of; what it makes and does not use, and the shape of what it gives."""
    if not isinstance(strategy, Pipeline):
        shape = strategy.infer(given, Plan(node=slot))
        return _unread(strategy, slot, given, most), shape
    flow = list(strategy.flow(given, Plan(node=slot)))
    unread: list[tuple[str, str]] = []
    before: tuple[Node, Shape, Shape] | None = None
    for node, received, shape in flow:
        place = _below(slot, node)
        if most is not None and received.most > most:
            rule = f"at most {most} candidates may be handed on, but it is given up to {received.most}"
            raise ShapeError(place, rule, "draw fewer, or put a rank or a ranker that keeps fewer before it")
        if before is not None and before[0].name in node.after:
            _check_order(node.strategy, place, *before)
        left = _unread(node.strategy, place, received, most)
        unread += [each for each in left if not any(_reads(*later, each[1]) for later in _after(node, flow))]
        before = node, received, shape
    return unread, flow[-1][2]


def _unread(strategy: Strategy, slot: str, given: Shape, most: int | None) -> list[tuple[str, str]]:
    """What a strategy whose shapes fit makes and does not use itself, and where; its own parts are checked."""
    if isinstance(strategy, Pipeline):
        return _check_parts(strategy, slot, given, most)[0]
    if type(strategy) in MAKES:
        return [(slot, MAKES[type(strategy)])]
    return [left for part, place in _wholes(strategy, slot) for left in _check_whole(part, place, given, most)]


def _check_order(strategy: Strategy, slot: str, before: Node, received: Shape, gave: Shape) -> None:
    """Refuse to order anew what was ordered just before for a price, and not cut."""
    ordered = before.strategy
    is_lost = isinstance(strategy, Rank | Ranker) or (isinstance(strategy, Vote) and strategy.weights is None)
    if isinstance(ordered, Rank | Ranker) and is_lost and 1 < received.most == gave.most:
        rule = f"the order that {ordered.kind} gives must be used, but {strategy.kind} after it orders anew"
        raise ShapeError(slot, rule, f"give {ordered.kind} a keep, weigh the vote by its scores, or take it out")


def _after(node: Node, flow: Sequence[tuple[Node, Shape, Shape]]) -> Iterator[tuple[Strategy, Shape]]:
    """The strategies that what a node gives comes to, and what they are given."""
    reached = {node.name}
    for later, received, _ in flow:
        if reached.intersection(later.after):
            reached.add(later.name)
            yield later.strategy, received


def _reads(strategy: Strategy, given: Shape, what: str) -> bool:
    """Whether a strategy uses what candidates of the shape `given` carry."""
    if what not in given.carries:
        return False
    if isinstance(strategy, Pipeline):
        return any(_reads(node.strategy, received, what) for node, received, _ in strategy.flow(given, Plan()))
    if isinstance(strategy, Ranker) and given.most < 2:
        return False
    if isinstance(strategy, UnitTestEvaluator) and strategy.verifier is not None:
        return False
    readers = (Ranker, Fuse) if what == "critique" else (UnitTestEvaluator,)
    return isinstance(strategy, readers)


def _wholes(strategy: Strategy, slot: str) -> list[tuple[Strategy, str]]:
    """The strategies within a strategy whose first candidate may become its answer."""
    if not isinstance(strategy, Cascade | RouteByDifficulty):
        return []
    parts = strategy.stages if isinstance(strategy, Cascade) else strategy.routes
    return [(part, f"{slot}.{i}") for i, part in enumerate(parts)]


def _last(strategy: Strategy, slot: str) -> tuple[str, Strategy]:
    """The strategy that has the last word, and where it stands."""
    if not isinstance(strategy, Pipeline):
        return slot, strategy
    return _last(strategy.last.strategy, _below(slot, strategy.last))


def _below(slot: str, node: Node) -> str:
    return f"{slot}.{node.name}" if slot else node.name
