"""Ensemble: several models draw side by side."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Query
from .nesting import engines_of
from .placing import check_first
from .sample import Sample

Members = Annotated[tuple[Sample, ...], Field(min_length=1, max_length=64)]


class Ensemble(Strategy):
    """Draw from several models, each with its own number of draws and sampling.

    Candidates come in the order of the members.

    Family: composition
    When it pays: models fail on different questions and something after it can tell good from bad. The plain average of
        a strong and a weak model is worse than the strong one.
    Cost: the sum of the members' draws; depth 1.
    Source: Saad-Falcon et al. 2024 (Archon), arXiv 2409.15254, section 3.1, the generators.
    Departs: each member has its own sampling.

    Args:
        members: who draws, and how; where the budget does not reach, the first are served first.
    """

    chooses: ClassVar[bool] = False
    writes: ClassVar[bool] = False
    kind: Literal["ensemble"] = "ensemble"
    members: Members

    def engine_names(self) -> tuple[str, ...]:
        """The engines drawn from."""
        return engines_of(self.members)

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The members' fresh candidates, side by side."""
        check_first(self, shape, plan)
        return reduce(Shape.merged, plan.abreast(member.infer(shape, plan) for member in self.members))

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws of every member."""
        drawn = await ctx.draw([Ask(query, member.sampling, member.n, member.engine) for member in self.members])
        return [candidate for group in drawn for candidate in group]
