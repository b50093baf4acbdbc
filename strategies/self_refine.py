"""Self-refine: a model criticises its draft and revises it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.engine import Sampling
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import Template, asked, fill, numbered, question_of
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyVerifier
from ..verifiers.answers import AnyAnswer, NumberAnswer
from .asking import reading
from .chunks import at_most
from .drawing import FormedDrawing
from .ranking import ranked
from .refinement_prompts import CRITIQUE, REVISION
from .voting import vote


class SelfRefine(FormedDrawing):
    """Draft, critique and revise, by one model in turn, and choose among all drafts.

    The verifier chooses, or, without one, the vote of their answers, ties to the earlier draft. A draft is revised no
    further where the critique ends in `no_issues`, a revision has the same text or answer as before, or its score
    falls. Prompts hold the last draft and the last critique alone, so that they do not grow.

    Family: sequential
    When it pays: the critic sees what the writer missed: form, omissions, code that was run. Models seldom find their
        own errors of reasoning, and at equal cost more fresh draws often win.
    Cost: up to ``rounds + 1`` draws and `rounds` critiques for each of `n` drafts; depth ``2 * rounds + 1``,
        and ``rounds + 1`` more with a verifier.
    Source: Madaan et al. 2023, arXiv 2303.17651, algorithm 1.
    Departs: the paper returns the last revision, though revising can make an answer worse; here every draft is kept.

    Args:
        n: drafts, each refined for itself.
        rounds: revisions of a draft at most.
        verifier: judges every draft; None lets their answers vote.
        critic: the engine that criticises; None takes `engine`.
        critique_tokens: most tokens of a critique.
        no_issues: what a critique says on its last line where there is nothing to correct, in any case.
        critique_prompt: how the critic is asked.
        revision_prompt: how a revision is asked for.
        answer: how the answer is read from a draft.
    """

    kind: Literal["self_refine"] = "self_refine"
    rounds: Annotated[int, Field(ge=0, le=64)] = 3
    verifier: AnyVerifier | None = None
    critic: Annotated[str, Field(min_length=1)] | None = None
    critique_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    no_issues: Annotated[str, Field(min_length=1)] = "NO ISSUES"
    critique_prompt: Annotated[str, Template("question", "responses")] = CRITIQUE
    revision_prompt: Annotated[str, Template("question", "responses", "critique")] = REVISION
    answer: AnyAnswer = NumberAnswer()

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from, the critic, and those the verifier asks."""
        judges = self.verifier.engine_names() if self.verifier else ()
        return tuple(dict.fromkeys((self.engine, self.critic or self.engine, *judges)))

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The drafts and their revisions; only the drafts and the first critiques are certain."""
        self.check_first(shape, plan)
        self.answer.check()
        draft = plan.sample(self.n, self.sampling, self.engine, self._judge)
        critic, times = self.critic or self.engine, self.n * self.rounds
        if not self.rounds:
            return draft
        reads = reading(plan, draft, critic, self.critique_prompt, 1)
        with plan.rounds(self.rounds):
            critique = plan.sample(times, self._criticising, critic, fewest=self.n, reads=reads)
            reads = reading(plan, draft, self.engine, self.revision_prompt, 1) + plan.reads(critique, self.engine)
            with plan.maybe():
                plan.sample(times, self.sampling, self.engine, self._judge, reads=reads)
        return replace(draft, most=self.n + times)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """All drafts, the best first."""
        drafts = await ctx.sample(query, self.n, self.sampling, engine=self.engine, then=self._judge)
        drafts = latest = await self._judged(query, drafts, ctx)
        for _ in range(self.rounds):
            if not latest or ctx.is_stopped:
                break
            pairs = await self._revised(query, latest, ctx)
            drafts = drafts + [revision for _, revision in pairs]
            latest = [revision for draft, revision in pairs if self._goes_on(draft, revision)]
        return ranked(drafts, self.verifier.name) if self.verifier else vote(drafts)

    async def _revised(self, query: Query, drafts: list[Candidate], ctx: Context) -> list[tuple[Candidate, Candidate]]:
        """Each draft that its critique finds fault with, and its revision."""
        question, shown = question_of(query), [numbered([draft.text], ctx) for draft in drafts]
        texts = [fill(self.critique_prompt, question=question, responses=each) for each in shown]
        critic = self.critic or self.engine
        critiques = await ctx.draw([Ask(asked(query, text), self._criticising, 1, critic) for text in texts])
        faulty = [i for i, found in enumerate(critiques) if found and self._finds_fault(found[0].text)]
        if not faulty or ctx.is_stopped:
            return []
        texts = [
            fill(self.revision_prompt, question=question, responses=shown[i], critique=critiques[i][0].text)
            for i in faulty
        ]
        found = await ctx.draw(
            [Ask(asked(query, text), self.sampling, 1, self.engine, None, self._judge) for text in texts]
        )
        kept = [drafts[i] for i, revision in zip(faulty, found, strict=True) if revision]
        judged = await self._judged(query, [each for revision in found for each in revision], ctx)
        return list(zip(kept, judged, strict=True))

    async def _judged(self, query: Query, drafts: list[Candidate], ctx: Context) -> list[Candidate]:
        judged = await ctx.score(query, drafts, self._judge) if self._judge else drafts
        return await ctx.answer(judged, self.answer)

    def _goes_on(self, draft: Candidate, revision: Candidate) -> bool:
        """Whether a revision is worth criticising: it says something else, and not something worse."""
        if revision.text == draft.text or (draft.answer is not None and revision.answer == draft.answer):
            return False
        if self.verifier is None:
            return True
        before, now = (each.scores[self.verifier.name].value for each in (draft, revision))
        return before is None or now is None or now >= before

    def _finds_fault(self, critique: str) -> bool:
        lines = critique.strip().splitlines()
        return bool(lines) and lines[-1].strip(" \t*_.!#").casefold() != self.no_issues.casefold()

    @property
    def _judge(self) -> AnyVerifier | None:
        """What judges drafts; nothing where there is but one."""
        return self.verifier if self.n > 1 or self.rounds else None

    @property
    def _criticising(self) -> Sampling:
        plain = {"stop": (), "json_schema": None, "logprobs": False}
        return at_most(self.sampling, self.critique_tokens).model_copy(update=plain)
