"""Self-debugging: candidates that fail tests are revised with what the tests say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import FENCED, Template, asked, clipped, fenced, fill, question_of
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query, Score
from ..verifiers import AnyVerifier
from .asking import Asking, reading
from .drawing import SAMPLED
from .placing import check_given

FEEDBACK = 2000
"""Most bytes of what the tests say."""
PROMPT = f"""Below are a question, a response to it, and what came of testing the response. {FENCED}

Question:
{{question}}

Response:
{{response}}

Tests:
{{feedback}}

Find the mistake, and write the whole response again without it."""


class SelfDebug(Asking):
    """Revise each candidate that fails public tests, round after round.

    A candidate that passes every test is left alone, and so is one that could not be tested. A revision takes the
    candidate's place unless it scores less.

    Family: sequential
    When it pays: programs fail for small reasons that the tests show. Wrong ideas are seldom debugged into right ones:
        fresh draws are better there.
    Cost: at most 1 call and 1 judgement a candidate and round; depth `rounds`, and ``rounds + 1`` more
        where the verifier is a model.
    Source: Chen et al. 2024, "Teaching Large Language Models to Self-Debug", arXiv 2304.05128; Li et al. 2025 (S*),
        arXiv 2502.14382, section 3.2.
    Departs: the papers keep the last revision whatever it passes.

    Args:
        rounds: revisions of a candidate at most, 1 to 16.
        verifier: tests a candidate; its score has one step a test, 1 where it passes.
        prompt: how a revision is asked for.
    """

    chooses: ClassVar[bool] = False
    writes: ClassVar[bool] = True
    kind: Literal["self_debug"] = "self_debug"
    rounds: Annotated[int, Field(ge=1, le=16)] = 2
    verifier: AnyVerifier
    prompt: Annotated[str, Template("question", "response", "feedback")] = PROMPT

    @property
    def follows(self) -> frozenset[str]:
        return SAMPLED - {"stop"}

    def capped(self, max_tokens: int) -> Self:
        """The same, with at most `max_tokens` of a revision."""
        return self.model_copy(update={"max_tokens": min(self.max_tokens, max_tokens)})

    def engine_names(self) -> tuple[str, ...]:
        """The engine that revises and those that the verifier asks."""
        return tuple(dict.fromkeys((self.engine, *self.verifier.engine_names())))

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """As many candidates, tested."""
        check_given(self, shape, plan)
        tested = plan.score(shape, self.verifier)
        with plan.maybe():
            for _ in range(self.rounds):
                reads = reading(plan, tested, self.engine, self.prompt, 1) + FEEDBACK
                revised = plan.sample(tested.most, self.sampling, self.engine, self.verifier, reads=reads)
                tested = tested.either(revised)
        return tested

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The candidates, or their revisions, in their order."""
        tested = await ctx.score(query, candidates, self.verifier)
        for _ in range(self.rounds):
            failing = [i for i, candidate in enumerate(tested) if _fails(candidate.scores[self.verifier.name])]
            if not failing or ctx.is_stopped:
                break
            drawn = await ctx.draw([self._ask(query, tested[i], ctx) for i in failing])
            revised = {i: group[0] for i, group in zip(failing, drawn, strict=True) if group}
            judged = await ctx.score(query, list(revised.values()), self.verifier)
            for i, revision in zip(revised, judged, strict=True):
                tested[i] = self._better(revision, tested[i])
        return tested

    def _ask(self, query: Query, candidate: Candidate, ctx: Context) -> Ask:
        score = candidate.scores[self.verifier.name]
        shown = {"response": fenced(candidate.text, ctx), "feedback": fenced(_feedback(score), ctx)}
        text = fill(self.prompt, question=question_of(query), **shown)
        return Ask(asked(query, text), self.sampling, 1, self.engine, then=self.verifier)

    def _better(self, revision: Candidate, before: Candidate) -> Candidate:
        new, old = (each.scores[self.verifier.name].value for each in (revision, before))
        return before if new is None or (old is not None and new < old) else revision


def passes_all(score: Score) -> bool:
    """Whether every test is passed; without a score for each, whether the whole is 1."""
    return score.value is not None and min(score.steps or (score.value,)) >= 1


def _fails(score: Score) -> bool:
    return score.value is not None and not passes_all(score)


def _feedback(score: Score) -> str:
    failed = [str(i) for i, step in enumerate(score.steps, 1) if step < 1]
    passed = len(score.steps) - len(failed)
    lines = [f"It passes {passed} of {len(score.steps)} tests. It fails: {', '.join(failed)}."] if failed else []
    return clipped("\n".join([*lines, score.detail or "It does not pass."][: 2 if score.detail else 1]), FEEDBACK)
