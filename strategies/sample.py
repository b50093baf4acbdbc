"""Plain sampling: draw candidates and pass them on as they come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.sampling import Sampling, Tools, is_free
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from .drawing import FormedDrawing


class Sample(FormedDrawing):
    """Draw `n` candidates and pass them on in the order of their index.

    With `n` = 1 it is one call of the model.

    Family: parallel sampling
    When it pays: alone, as the baseline that everything else must beat at equal cost; in a pipeline, as what a `rank`,
        a `vote` or a `fuse` works on.
    Cost: `n` draws; depth 1.
    Source: none; it is the model itself.
    Departs: nowhere.

    Args:
        tools: the JSON text of what a chat says of the tools that may be called, where the engine calls any; None has
            none called. Nothing may come after it that reads its answers, since a call is no text.
    """

    chooses: ClassVar[bool] = False
    kind: Literal["sample"] = "sample"
    tools: Tools | None = Field(None, exclude_if=is_free)

    @property
    def sampling(self) -> Sampling:
        told = super().sampling
        return told.model_copy(update={"tools": self.tools}) if self.tools is not None else told

    @property
    def follows(self) -> frozenset[str]:
        return super().follows | {"tools"}

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """`n` fresh candidates."""
        return self.draws(shape, plan)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The draws."""
        return await ctx.sample(query, self.n, self.sampling, engine=self.engine, is_answer=self.n == 1)
