"""Texts laid before a verifier, whoever wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Finish, Query, UnicodeText
from .nesting import AnyVerifier

if TYPE_CHECKING:
    from ..orchestrator.context import Context


class Planted(Strategy):
    """Texts that are judged together, whoever wrote them.

    Args:
        verifier: judges them.
        texts: what is judged.
    """

    kind: Literal["planted"] = "planted"
    verifier: AnyVerifier
    texts: tuple[UnicodeText, ...]

    def engine_names(self) -> tuple[str, ...]:
        return self.verifier.engine_names()

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        count, longest = len(self.texts), max(len(text.encode()) for text in self.texts)
        return plan.score(Shape(count, count, longest=longest), self.verifier, together=True)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The texts with their scores, in order."""
        planted = [Candidate((), text, Finish.EOS, index=i) for i, text in enumerate(self.texts)]
        return await ctx.score(query, planted, self.verifier)
