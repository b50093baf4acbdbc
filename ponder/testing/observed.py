"""A strategy in its place in a pipeline: what it is given there, and what it would give for something else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import PrivateAttr

from ..orchestrator.context import Context
from ..orchestrator.pipeline import AnyStrategy, Pipeline
from ..orchestrator.shape import Plan, Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Query


class Observed(Strategy):
    """A strategy that remembers what it was given.

    Args:
        inner: the strategy.
    """

    kind: Literal["observed"] = "observed"
    inner: AnyStrategy
    _shape: Shape = PrivateAttr(default=Shape())
    _given: tuple[Candidate, ...] = PrivateAttr(default=())

    def engine_names(self) -> tuple[str, ...]:
        return self.inner.engine_names()

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        self._shape = shape
        return self.inner.infer(shape, plan)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        self._given = tuple(candidates)
        return await self.inner.run(query, candidates, ctx)

    @property
    def given(self) -> tuple[Candidate, ...]:
        """The candidates of the last run."""
        return self._given

    def with_given(self, candidates: Sequence[Candidate]) -> Given:
        """The strategy with these candidates put before it."""
        given = Given(inner=self.inner)
        given._shape, given._candidates = self._shape, tuple(candidates)
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
    """The strategy with every node of its pipelines observed, and those nodes."""
    if not isinstance(strategy, Pipeline):
        alone = Observed(inner=strategy)
        return alone, [alone]
    parts: list[Observed] = []
    nodes: list[Any] = []
    for node in strategy.nodes:
        inner, found = observed(node.strategy)
        nodes.append(node.model_copy(update={"strategy": inner}))
        parts += found
    return strategy.model_copy(update={"nodes": tuple(nodes)}), parts
