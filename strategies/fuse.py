"""Fuse: new answers, each written with all candidates in view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import FENCED, Template, asked, fill, numbered, question_of
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from .asking import described, reading
from .drawing import FormedDrawing
from .placing import check_given

PROMPT = f"""Below are a question and numbered responses to it, some perhaps with a critique. {FENCED}

Question:
{{question}}

Responses:
{{responses}}

Any of them may be wrong. Write one answer that is better than each: take over what is right, correct what is wrong, \
supply what is missing. Do not copy one response, and do not mention that there were any. Begin the answer at once."""


class Fuse(FormedDrawing):
    """Replace the candidates by `n` answers fused from them.

    Every candidate is shown, with its critique where it has one. The fused answers are new candidates, without
    critique, score or answer of those before. Where no fused answer can be had, the first `n` candidates are passed on
    as they came; where there are none, because every earlier draw was lost, the question is put plainly.

    Family: composition
    When it pays: answers are free text of which each has a part right, and the fusing model can read many at once.
        Where one short answer is right, a vote or a rank is cheaper and safer.
    Cost: `n` calls; depth 1. Prompts hold all candidates.
    Source: Jiang et al. 2023 (LLM-Blender), arXiv 2306.02561, GenFuser; Saad-Falcon et al. 2024 (Archon), arXiv
        2409.15254, section 3.1.
    Departs: a fuser that fails loses the fusion, not the candidates.

    Args:
        prompt: how it is asked.
    """

    chooses: ClassVar[bool] = False
    kind: Literal["fuse"] = "fuse"
    prompt: Annotated[str, Template("question", "responses")] = PROMPT

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """`n` fresh candidates, or the first of those that came."""
        check_given(self, shape, plan)
        reads = reading(plan, shape, self.engine, self.prompt, shape.most)
        fused = plan.sample(self.n, self.sampling, self.engine, fewest=self.n * min(shape.fewest, 1), reads=reads)
        return fused.either(shape.narrowed(self.n))

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The fused answers."""
        if ctx.is_stopped:
            return list(candidates)[: self.n]
        question = query
        if candidates:
            responses = numbered(described(candidates), ctx)
            question = asked(query, fill(self.prompt, question=question_of(query), responses=responses))
        fused = await ctx.sample(question, self.n, self.sampling, engine=self.engine, is_answer=self.n == 1)
        return fused or list(candidates)[: self.n]
