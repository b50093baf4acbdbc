"""A strategy in its place in another: what it is given there, and what it would give for something else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import PrivateAttr

from ..orchestrator.context import Context
from ..orchestrator.pipeline import AnyStrategy, Pipeline
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Query
from .changed_knobs import descended, subclassed


@dataclass(slots=True)
class Observed:
    """A strategy and what it was seen working on.

    Args:
        inner: the strategy.
        shape: what it last planned for.
        given: the most candidates that a run of it was given.
    """

    inner: Strategy
    shape: Shape = Shape()
    given: tuple[Candidate, ...] = ()

    def with_given(self, candidates: Sequence[Candidate]) -> Given:
        """The strategy with these candidates put before it."""
        given = Given(inner=self.inner)
        given._shape, given._candidates = self.shape, tuple(candidates)
        return given


class Given(Strategy):
    """A strategy that starts from candidates instead of nothing.

    Args:
        inner: the strategy.
    """

    kind: Literal["given"] = "given"
    inner: AnyStrategy
    _shape: Shape = PrivateAttr(default=Shape())
    _candidates: tuple[Candidate, ...] = PrivateAttr(default=())

    def engine_names(self) -> tuple[str, ...]:
        return self.inner.engine_names()

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        return self.inner.infer(self._shape, plan)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        return await self.inner.run(query, self._candidates, ctx)


def observed(strategy: Strategy) -> tuple[Strategy, list[Observed]]:
    """The strategy under observation, and its parts: itself, the nodes of pipelines, the strategies among its knobs."""
    parts: list[Observed] = []

    def watch(each: Strategy) -> Strategy:
        whole: Strategy = descended(each, Strategy, watch)
        if isinstance(each, Pipeline):
            return whole
        parts.append(Observed(each))
        return _remembering(whole, parts[-1])

    return watch(strategy), parts


def _remembering(strategy: Strategy, part: Observed) -> Strategy:
    """A strategy of the same class and knobs that tells `part` what it is given."""

    def infer(self: Strategy, shape: Shape, plan: Plan) -> Shape:
        part.shape = shape
        return strategy.infer(shape, plan)

    async def run(self: Strategy, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        part.given = max(part.given, tuple(candidates), key=len)
        return await strategy.run(query, candidates, ctx)

    watched: Strategy = subclassed(strategy, {"infer": infer, "run": run})
    return watched
