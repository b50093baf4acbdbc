"""Sequential and parallel: some chains side by side, each revising its last answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import FENCED, Template, asked, fill, numbered, question_of
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyVerifier
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .asking import reading
from .drawing import Draws, FormedDrawing
from .ranking import ranked
from .voting import note_unweighable, vote

PROMPT = f"""Below are a question and earlier responses to it, the last one last. Some or all may be wrong. {FENCED}
Question:
{{question}}

Earlier responses:
{{responses}}

Find out what went wrong in them, if anything, and write a new and complete response to the question."""


class SequentialParallel(FormedDrawing):
    """Share `n` draws between `chains` side by side and revisions within each.

    A verifier chooses the best of each chain, then the best of those; without one all answers vote. With as many chains
    as draws this is Best-of-N, or self-consistency, draw for draw.

    Family: sequential
    When it pays: easy questions gain more from revisions, hard ones from fresh starts; the best ratio is found by a
        sweep.
    Cost: `n` draws and at most as many judgements; depth ``ceil(n / chains)``, or twice that
        with a verifier.
    Source: Snell et al. 2024, arXiv 2408.03314, section 6.
    Departs: the paper trains its model to revise and shows it up to four wrong answers; here any model is asked, by a
        prompt.

    Args:
        n: draws in all; the first chains get what does not divide.
        chains: chains side by side, at most `n`.
        memory: how many of a chain's last answers a revision sees.
        verifier: judges each answer; None lets all answers vote.
        weighted: whether scores of the same answer are added, within a chain and across.
        prompt: how a revision is asked for.
        answer: how the answer is read from a candidate, where they vote.
    """

    kind: Literal["sequential_parallel"] = "sequential_parallel"
    n: Draws = 16
    chains: Draws = 4
    memory: Annotated[int, Field(ge=1, le=64)] = 4
    verifier: AnyVerifier | None = None
    weighted: bool = False
    prompt: Annotated[str, Template("question", "responses")] = PROMPT
    answer: AnyAnswer = NumberAnswer()

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from and those the verifier asks."""
        return (self.engine, *(self.verifier.engine_names() if self.verifier else ()))

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """`n` fresh candidates."""
        self.check_first(shape, plan)
        if self.verifier is None or self.weighted:
            self.answer.check()
        first, *later = self._widths()
        drawn = plan.sample(first, self.sampling, self.engine, self._judge)
        for step, width in enumerate(later, 1):
            reads = reading(plan, drawn, self.engine, self.prompt, min(step, self.memory))
            plan.sample(width, self.sampling, self.engine, self._judge, reads=reads)
        return replace(drawn, most=self.n)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """All answers, the best first."""
        chains: list[list[Candidate]] = [[] for _ in range(self._widths()[0])]
        for width in self._widths():
            if ctx.is_stopped:
                break
            asked_for = [self._revision(query, chain, ctx) for chain in chains[:width]]
            asks = [Ask(each, self.sampling, 1, self.engine, None, self._judge) for each in asked_for]
            found = await ctx.draw(asks)
            drawn = [each for group in found for each in group]
            judged = iter(await ctx.score(query, drawn, self._judge) if self._judge else drawn)
            for chain, group in zip(chains, found, strict=False):
                chain += [next(judged) for _ in group]
        return await self._chosen([chain for chain in chains if chain], ctx)

    def _widths(self) -> list[int]:
        """How many chains each step draws for: the first of them."""
        chains = min(self.chains, self.n)
        steps, more = divmod(self.n, chains)
        return [chains] * steps + [more] * bool(more)

    def _revision(self, query: Query, chain: list[Candidate], ctx: Context) -> Query:
        """What a chain is asked next; the question itself where it has no answer yet."""
        if not chain:
            return query
        shown = numbered([each.text for each in chain[-self.memory :]], ctx)
        return asked(query, fill(self.prompt, question=question_of(query), responses=shown))

    async def _chosen(self, chains: list[list[Candidate]], ctx: Context) -> list[Candidate]:
        """The best of each chain, the best of them first, then the others."""
        everyone = [each for chain in chains for each in chain]
        if self.verifier is None:
            return vote(await ctx.answer(everyone, self.answer))
        if self.weighted:
            note_unweighable(everyone, self.verifier.name, ctx)
            chains = [await ctx.answer(chain, self.answer) for chain in chains]
        leaders = self._ordered([self._ordered(chain)[0] for chain in chains])
        chosen = {each.index for each in leaders}
        rest = [each for chain in chains for each in chain if each.index not in chosen]
        return leaders + ranked(rest, self.verifier.name)

    def _ordered(self, candidates: list[Candidate]) -> list[Candidate]:
        assert self.verifier is not None
        if self.weighted:
            return vote(candidates, self.verifier.name, weighted=True)
        return ranked(candidates, self.verifier.name)

    @property
    def _judge(self) -> AnyVerifier | None:
        """What judges answers; nothing where there is but one."""
        return self.verifier if self.n > 1 else None
