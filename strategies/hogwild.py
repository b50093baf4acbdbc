"""Hogwild! inference: several workers of one model write one answer side by side, each seeing what the others write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..orchestrator.context import Context
from ..orchestrator.shape import Plan, Shape
from ..orchestrator.types import Candidate, Query
from ..orchestrator.workspace import LAYOUTS, Layout
from .cache_workers import count_side_by_side, write_side_by_side
from .collaboration import Collaboration
from .concluding import concluded
from .placing import check_first


class Hogwild(Collaboration):
    """Let workers of one model write side by side on one answer, each seeing what the others write.

    In each pass every worker draws a token; all of them attend to one cache. A step that ends at one of `step_ends`, or
    with the worker's text, becomes common history, and the worker begins its next. After every `chunk` tokens, and
    wherever a worker ends, each worker's last announced answer is read; the work ends by `quorum`, or once all workers
    have ended. One that is stuck in a repetition, whose view fills the context or whose draw is broken off leaves; the
    others go on. The result is one candidate: the text in common, which is the history and then each unfinished step,
    and the answer that most workers announced. Where none did, `finisher` asks for it; the budget and the context keep
    room for that.

    Family: parallel sampling
    When it pays: a strong reasoning model on work that divides, where the answer must come in fewer passes than one
        chain needs. Small models are poor partners: compare with as many independent draws and a vote.
    Cost: a call for every `chunk` tokens and for every step that ends, and 1 for the finisher; depth as many.
    Source: Rodionov et al. 2025 (Hogwild! inference), arXiv 2504.06261, section 3.
    Departs: the published code has two workers, ends the run where one of them ends its text, reads answers only
        where a step ends, counts one interval for the cues of all, bans tokens, and puts a step's last token into the
        next step; here any number of workers have each its own seed and cues, and nothing is banned.

    Args:
        layout: how they see one another: by name ``contiguous`` (all text at once, no steps), ``interleaved`` (finished
            steps) or ``combined`` (finished steps, and what the others are writing), or a table of parts.
    """

    kind: Literal["hogwild"] = "hogwild"
    layout: Literal["contiguous", "interleaved", "combined"] | Layout = "combined"

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """One fresh candidate.

        Raises:
            ShapeError: the engine has no cache to share.
        """
        check_first(self, shape, plan)
        self.answer.check()
        return count_side_by_side(self, self._layout, plan)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The one answer of all workers."""
        asked = self.asked(query)
        work = await write_side_by_side(self, self._layout, asked, ctx)
        return await concluded(self, asked, work, ctx)

    @property
    def _layout(self) -> Layout:
        return LAYOUTS[self.layout] if isinstance(self.layout, str) else self.layout
