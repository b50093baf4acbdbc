"""Ranker: one call orders all candidates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import FENCED, Template, asked, fill, numbered, question_of
from ..orchestrator.replies import permutation
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from .asking import Asking, described
from .drawing import Draws

PROMPT = f"""Below are a question and numbered responses to it. {FENCED}
Question:
{{question}}

Responses:
{{responses}}

Order all responses from the best to the worst, by how correct, complete and helpful they are. The first line of your \
reply must be the order alone, every number once, like this:
[2] > [3] > [1]"""


class Ranker(Asking):
    """Order all candidates in one listwise call and keep the best.

    The candidates are shown in an order drawn by the seed and their texts alone, with their critiques where they have
    some, so that neither the order that came in nor a judge who likes the first best favours any. Only a whole ranking
    is read: a number twice, unknown or missing, or prose in the first line, keeps the order that came in and is noted
    in the result. One candidate costs no call.

    Family: composition
    When it pays: there is no reward model, and a good judge can read all candidates at once. Many or long candidates
        make lists that it gets wrong.
    Cost: 1 call; depth 1.
    Source: Saad-Falcon et al. 2024 (Archon), arXiv 2409.15254, section 3.1.
    Departs: where a ranking is not whole the published code guesses.

    Args:
        keep: candidates to pass on; None passes all on, best first.
        shuffle: whether the order shown is drawn at random; if not, it is the order that came in.
        prompt: how it is asked; the first line of the reply is such as [2] > [3] > [1].
    """

    kind: Literal["ranker"] = "ranker"
    keep: Draws | None = None
    shuffle: bool = True
    prompt: Annotated[str, Template("question", "responses")] = PROMPT

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `keep` of the candidates."""
        self.asks(plan, shape, self.prompt, int(shape.most > 1), int(shape.fewest > 1), shape.most)
        return shape if self.keep is None else shape.narrowed(self.keep)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The candidates, best first."""
        if len(candidates) < 2 or ctx.is_stopped:
            return list(candidates)[: self.keep]
        count = len(candidates)
        shown = sorted(candidates, key=lambda c: ctx.nonce(c.text)) if self.shuffle else list(candidates)
        responses = numbered(described(shown), ctx)
        text = fill(self.prompt, question=question_of(query), responses=responses)
        replies = await ctx.sample(asked(query, text), 1, self.sampling, engine=self.engine)
        if not replies:
            return list(candidates)[: self.keep]
        order = permutation(replies[0].text, count)
        if order is None:
            self.note_unread(ctx, f"an order of all {count} responses such as [2] > [1] in the first line")
            return list(candidates)[: self.keep]
        return [shown[place] for place in order][: self.keep]
