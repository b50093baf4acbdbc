"""Hogwild! inference: several workers of one model write one answer side by side, each seeing what the others write."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..orchestrator.workspace import LAYOUTS, Layout
from .cache_cost import count_side_by_side
from .cache_workers import write_side_by_side
from .chunks import Tokens
from .collaboration import Collaboration
from .concluding import concluded
from .fork_join import count_forked, write_forked
from .placing import check_first
from .step_workers import count_in_steps, write_in_steps
from .worker import Work


class Hogwild(Collaboration):
    """Let workers of one model write side by side on one answer, each seeing what the others write.

    In each pass every worker draws a token; all of them attend to one cache. A step that ends at one of `step_ends`, or
    with the worker's text, becomes common history, and the worker begins its next. After every `chunk` tokens, and
    wherever a worker ends, each worker's last announced answer is read; the work ends by `quorum`, or once all workers
    have ended. One that is stuck in a repetition (a piece of at most 200 characters, four times or more in a row, over
    200 or more), whose view fills the context or whose draw is broken off leaves; the others go on.

    In ``steps`` and ``fork_join``, which work on any engine, a step is a draw of its own from the common text, which
    the engine's prefix cache holds, and answers are read where a step ends. In ``steps`` a worker puts its step into
    the text where it ends and goes on from all that is there by then, whatever was faster: by the tokens that each has
    drawn. Where the engine does not stream, it waits for the steps of the others to end before it does. In
    ``fork_join`` the first worker writes a step, the others go on from it side by side, and their steps are joined in
    the order of the workers.

    The result is one candidate: the text in common, which is the history and then each unfinished step, and the answer
    that most workers announced, of equals that of the first worker. Where none did, `finisher` asks for it; the budget
    and the context keep room for that, a deadline does not.

    Family: parallel sampling
    When it pays: a strong reasoning model on work that divides, where the answer must come in fewer passes than one
        chain needs. Small models are poor partners: compare with as many independent draws and a vote.
    Cost: a call for every `chunk` tokens and for every step that ends, and 1 for the finisher; depth as many. In
        ``steps`` and ``fork_join`` a call a step, of at most `step_tokens`, which reads the text: with a prefix cache
        about one token is read anew for each that is drawn, and none for one worker alone.
    Source: Rodionov et al. 2025 (Hogwild! inference), arXiv 2504.06261, section 3.
    Departs: the published code has two workers, ends the run where one of them ends its text, reads answers only
        where a step ends, counts one interval for the cues of all, bans tokens, and puts a step's last token into the
        next step; here any number of workers have each its own seed and cues, and nothing is banned.

    Args:
        layout: how they see one another: by name ``contiguous`` (all text at once, no steps), ``interleaved`` (finished
            steps) or ``combined`` (finished steps, and what the others are writing), or a table of parts, which all
            share one cache; ``steps`` or ``fork_join``, whose steps are draws of their own, on any engine.
        step_tokens: most tokens of a step in ``steps`` and ``fork_join``, but for a worker's last; a short one keeps
            workers up to date, a long one costs less.
    """

    kind: Literal["hogwild"] = "hogwild"
    layout: Literal["contiguous", "interleaved", "combined", "steps", "fork_join"] | Layout = "combined"
    step_tokens: Tokens = 512

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """One fresh candidate.

        Raises:
            ShapeError: the engine has no cache to share.
        """
        check_first(self, shape, plan)
        self.answer.check()
        match self.layout:
            case "steps":
                return count_in_steps(self, self.step_tokens, plan)
            case "fork_join":
                return count_forked(self, self.step_tokens, plan)
            case layout:
                return count_side_by_side(self, layout_of(layout), plan)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The one answer of all workers."""
        asked = self.asked(query)
        return await concluded(self, asked, await self._written(asked, ctx), ctx)

    async def _written(self, asked: Query, ctx: Context) -> Work:
        match self.layout:
            case "steps":
                return await write_in_steps(self, self.step_tokens, asked, ctx)
            case "fork_join":
                return await write_forked(self, self.step_tokens, asked, ctx)
            case layout:
                return await write_side_by_side(self, layout_of(layout), asked, ctx)


def layout_of(layout: str | Layout) -> Layout:
    """A layout by its name, or as it is given."""
    return LAYOUTS[layout] if isinstance(layout, str) else layout
