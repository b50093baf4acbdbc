"""Verifier filter: a model reasons about each candidate, then says whether it is correct."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import FENCED, Template, asked, fenced, fill, question_of
from ..orchestrator.replies import verdict
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query, Score, Usage
from .asking import Asking, distinct

UNKNOWN = "no verdict"
WORTH = {"Correct": 1.0, "Incorrect": 0.0}
PROMPT = f"""Below are a question and a response to it, which may be right or wrong. {FENCED}

Question:
{{question}}

Response:
{{response}}

Go through the response step by step. For every step, say what it claims and check whether that holds. Do not give a \
verdict yet."""
VERDICT = f"""Below are a question, a response to it, and an examination of the response. {FENCED}

Question:
{{question}}

Response:
{{response}}

Examination:
{{reasoning}}

Is the response correct? Reply with one line, [Correct] or [Incorrect], and nothing else."""


class VerifierFilter(Asking):
    """Keep the candidates that a model finds correct.

    The model first reasons, without being told what to find; a second call gives the verdict. Only the line [Correct]
    or [Incorrect] is one. A candidate without a verdict, whatever went wrong, is kept: unknown is not failed. Where
    every one is found incorrect all are kept. Each is scored 1, 0 or None under ``verifier_filter``, in the order that
    came in. Equal candidates are judged once.

    Family: composition
    When it pays: wrong answers are easier to spot than to avoid, and something after it chooses among what is left. A
        strict judge of hard questions drops the right ones.
    Cost: 2 calls a candidate; depth 2.
    Source: Saad-Falcon et al. 2024 (Archon), arXiv 2409.15254, section 3.1.
    Departs: the published prompt asks why the response is accurate, which presumes that it is.

    Args:
        prompt: how the reasoning is asked for.
        verdict_prompt: how the verdict is.
    """

    kind: Literal["verifier_filter"] = "verifier_filter"
    prompt: Annotated[str, Template("question", "response")] = PROMPT
    verdict_prompt: Annotated[str, Template("question", "response", "reasoning")] = VERDICT

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most the same candidates, each with its verdict as a score."""
        certain = min(shape.fewest, 1)
        reasoning = self.asks(plan, shape, self.prompt, shape.most, certain)
        both = shape.with_carried("reasoning", reasoning)
        self.asks(plan, both, self.verdict_prompt, shape.most, certain)
        return replace(shape, fewest=certain, scored_by=shape.scored_by | {self.kind})

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The candidates not found incorrect, or all."""
        scores = await self._scores(query, distinct(candidates), ctx)
        unknown = Score(None, scale="binary", detail=UNKNOWN)
        judged = [candidate.with_score(self.kind, scores.get(candidate.text, unknown)) for candidate in candidates]
        return [each for each in judged if each.scores[self.kind].value != 0] or judged

    async def _scores(self, query: Query, texts: Sequence[str], ctx: Context) -> dict[str, Score]:
        """The score of each text whose verdict was asked for."""
        shown = {text: {"question": question_of(query), "response": fenced(text, ctx)} for text in texts}
        prompts = {text: fill(self.prompt, **shown[text]) for text in texts}
        reasoned = await self._replies(query, prompts, ctx)
        examined = {text: fenced(reply.text, ctx) for text, reply in reasoned.items()}
        prompts = {text: fill(self.verdict_prompt, **shown[text], reasoning=examined[text]) for text in examined}
        verdicts = await self._replies(query, prompts, ctx)
        scores = {text: _score(reasoned[text], reply) for text, reply in verdicts.items()}
        if scores and all(score.value is None for score in scores.values()):
            self.note_unread(ctx, "a last line that is [Correct] or [Incorrect]")
        return scores

    async def _replies(self, query: Query, prompts: dict[str, str], ctx: Context) -> dict[str, Candidate]:
        """The reply to each prompt that got one."""
        if ctx.is_stopped:
            return {}
        asks = [Ask(asked(query, prompt), self.sampling, 1, self.engine) for prompt in prompts.values()]
        drawn = await ctx.draw(asks)
        return {text: group[0] for text, group in zip(prompts, drawn, strict=True) if group}


def _score(reasoning: Candidate, reply: Candidate) -> Score:
    value = WORTH.get(verdict(reply.text, tuple(WORTH)) or "")
    usage = Usage.total([reasoning.usage, reply.usage])
    return Score(value, scale="binary", detail="" if value is not None else UNKNOWN, usage=usage)
