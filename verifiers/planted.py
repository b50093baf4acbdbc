"""Texts, or images, laid before a verifier, whoever made them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import ConfigDict

from ..orchestrator.images import Image
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Medium, Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Finish, Query, UnicodeText
from .nesting import AnyVerifier

if TYPE_CHECKING:
    from ..orchestrator.context import Context


class Planted(Strategy):
    """Texts, or images, that are judged together, whoever made them.

    Args:
        verifier: judges them.
        texts: what is judged: texts, or images instead, not both.
    """

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
    kind: Literal["planted"] = "planted"
    verifier: AnyVerifier
    texts: tuple[UnicodeText | Image, ...]

    def engine_names(self) -> tuple[str, ...]:
        return self.verifier.engine_names()

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        count = len(self.texts)
        longest = max(len(each.encode()) if isinstance(each, str) else 0 for each in self.texts)
        medium: Medium = "text" if isinstance(self.texts[0], str) else "image"
        return plan.score(Shape(count, count, longest=longest, medium=medium), self.verifier, together=True)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The texts or images with their scores, in order."""
        planted = [_candidate(each, i) for i, each in enumerate(self.texts)]
        return await ctx.score(query, planted, self.verifier)


def _candidate(shown: str | Image, index: int) -> Candidate:
    if isinstance(shown, Image):
        return Candidate((), "", Finish.EOS, index=index, image=shown)
    return Candidate((), shown, Finish.EOS, index=index)
