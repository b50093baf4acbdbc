"""Unit-test evaluator: candidates by the unit tests they pass, judged in words or executed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Literal

from ..orchestrator.context import Context
from ..orchestrator.draw import Ask
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import FENCED, Template, asked, fenced, fill, question_of
from ..orchestrator.replies import passes
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query, Score
from ..verifiers import AnyVerifier
from .asking import Asking
from .drawing import Draws
from .placing import check_given
from .ranking import ranked

UNKNOWN = 0.5
PROMPT = f"""Below are a question, a response to it, and unit tests for the response. {FENCED}

Question:
{{question}}

Response:
{{response}}

Unit tests:
{{tests}}

For each unit test, say in a few words whether the response passes it, and then write a line of its own, exactly like
Unit Test #1: [Passed]
or
Unit Test #1: [Failed]"""


class UnitTestEvaluator(Asking):
    """Order candidates by the share of their unit tests that they pass.

    A model reads a candidate and its tests and gives a verdict on each; only the exact line is one. A test without a
    verdict is unknown and counts one half; a candidate without any verdict is not scored. With a `verifier` the tests
    are executed instead: it must give one step score a test. The share is filed under ``unit_test_evaluator``, the
    tests as its steps; ties go to fewer generated tokens, then to the lower index.

    Family: composition
    When it pays: what a good answer must do can be listed, as for instructions and code, and a `unit_test_generator`
        has listed it. Tests that miss the point rank by what does not matter.
    Cost: 1 call for each different candidate, or the verifier's judgements; depth 1.
    Source: Saad-Falcon et al. 2024 (Archon), arXiv 2409.15254, section 3.1.
    Departs: the published code counts a test without a verdict as failed.

    Args:
        keep: candidates to pass on; None passes all on, best first.
        verifier: executes tests; None has the candidates' own tests judged by a model.
        prompt: how the model is asked.
    """

    kind: Literal["unit_test_evaluator"] = "unit_test_evaluator"
    keep: Draws | None = None
    verifier: AnyVerifier | None = None
    prompt: Annotated[str, Template("question", "response", "tests")] = PROMPT

    def engine_names(self) -> tuple[str, ...]:
        """The engine that judges, or those that the verifier asks."""
        return self.verifier.engine_names() if self.verifier else (self.engine,)

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `keep` candidates, scored."""
        check_given(self, shape, plan)
        if self.verifier:
            judged = plan.score(shape, self.verifier)
        elif "unit_tests" in shape.carries:
            judged = shape
            self.asks(plan, shape, self.prompt, shape.most, 0)
        else:
            rule = f"{self.kind} judges by the candidates' unit tests, but they carry none"
            raise plan.refuse(rule, "put a unit_test_generator before it, or give it a verifier that executes tests")
        judged = replace(judged, scored_by=judged.scored_by | {self.kind})
        return judged if self.keep is None else judged.narrowed(self.keep)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The candidates that pass most first."""
        if self.verifier:
            executed = await ctx.score(query, candidates, self.verifier)
            scores = [_share(candidate.scores[self.verifier.name].steps) for candidate in executed]
        else:
            executed, scores = list(candidates), await self._scores(query, candidates, ctx)
        judged = [each.with_score(self.kind, score) for each, score in zip(executed, scores, strict=True)]
        return ranked(judged, self.kind)[: self.keep]

    async def _scores(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Score]:
        """What the model says of each candidate; equal ones with equal tests are judged once."""
        cases = list(dict.fromkeys((c.text, c.unit_tests) for c in candidates if c.unit_tests and not ctx.is_stopped))
        asks = [Ask(asked(query, self._question(query, *case, ctx)), self.sampling, 1, self.engine) for case in cases]
        drawn = await ctx.draw(asks)
        found = {case: _verdicts(case[1], group) for case, group in zip(cases, drawn, strict=True)}
        if any(drawn) and all(score.value is None for score in found.values()):
            self.note_unread(ctx, "lines such as Unit Test #1: [Passed]")
        return [found.get((c.text, c.unit_tests), Score(None, detail="no unit test was judged")) for c in candidates]

    def _question(self, query: Query, text: str, tests: Sequence[str], ctx: Context) -> str:
        lines = "\n".join(f"Unit Test #{i}: {' '.join(test.split())}" for i, test in enumerate(tests, 1))
        shown = {"response": fenced(text, ctx), "tests": fenced(lines, ctx)}
        return fill(self.prompt, question=question_of(query), **shown)


def _verdicts(tests: Sequence[str], replies: Sequence[Candidate]) -> Score:
    steps = passes(replies[0].text, len(tests)) if replies else []
    if all(step == UNKNOWN for step in steps):
        return Score(None, detail="no unit test was judged")
    return replace(_share(steps), usage=replies[0].usage)


def _share(steps: Sequence[float]) -> Score:
    """The mean of the tests' scores."""
    return Score(math.fsum(steps) / len(steps) if steps else None, tuple(steps))
