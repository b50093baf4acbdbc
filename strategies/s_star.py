"""S*: programs are drawn side by side, each mended by its tests, and told apart by inputs on which they differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import Template
from ..orchestrator.shape import Shape
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyExecutor
from .drawing import SAMPLED, Drawing, Draws
from .execution_prompts import DISTINGUISH, INPUTS, JUDGE
from .select_by_execution import SelectByExecution
from .self_debug import PROMPT as DEBUG
from .self_debug import SelfDebug


class SStar(Drawing):
    """Draw `n` programs, debug each by public tests, and select by adaptively written inputs.

    Stage one is `self_debug` and stage two `select_by_execution`; they are asked with this strategy's sampling, stage
    two on an engine of its own where there is a `judge`. With `rounds` = 1 nothing is debugged, and a program that
    passes all tests never is.

    Family: composition
    When it pays: programming questions that come with a few public tests: tests mend what is nearly right, and inputs
        of its own making tell apart what passes them all. Without a sandbox, or without tests, it is an expensive
        Best-of-N.
    Cost: at most `n` times `rounds` calls, 1, and 3 for each two programs that put out different things; depth ``rounds
        + 3``.
    Source: Li et al. 2025 (S*), arXiv 2502.14382, section 3.
    Departs: as `self_debug` and `select_by_execution` say.

    Args:
        rounds: versions of a program at most, the first included, 1 to 16.
        executor: runs programs; its score has one step a public test.
        inputs: inputs asked for at a time, 1 to 64.
        judge: the engine that writes inputs and judges; None takes `engine`.
        debug_prompt: how a revision is asked for.
        inputs_prompt: how inputs to cluster by are asked for.
        distinguish_prompt: how inputs that tell two programs apart are.
        judge_prompt: how the judge is asked.
    """

    kind: Literal["s_star"] = "s_star"
    n: Draws = 16
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.7
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    rounds: Annotated[int, Field(ge=1, le=16)] = 3
    executor: AnyExecutor
    inputs: Annotated[int, Field(ge=1, le=64)] = 6
    judge: Annotated[str, Field(min_length=1)] | None = None
    debug_prompt: Annotated[str, Template("question", "response", "feedback")] = DEBUG
    inputs_prompt: Annotated[str, Template("question", "count")] = INPUTS
    distinguish_prompt: Annotated[str, Template("question", "responses", "count")] = DISTINGUISH
    judge_prompt: Annotated[str, Template("question", "responses", "outputs")] = JUDGE

    @property
    def follows(self) -> frozenset[str]:
        """Revisions end by no strings."""
        return SAMPLED - {"stop"} if self.rounds > 1 else SAMPLED

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from, the judge, and those that the executor asks."""
        return tuple(dict.fromkeys((self.engine, self.judge or self.engine, *self.executor.engine_names())))

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """At most `n` programs, scored by the public tests."""
        drawn = self.draws(shape, plan, self.executor)
        return self._selecting.infer(self._debugging.infer(drawn, plan) if self.rounds > 1 else drawn, plan)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The programs, the selected one first."""
        drawn = await ctx.sample(query, self.n, self.sampling, engine=self.engine, then=self.executor)
        mended = await self._debugging.run(query, drawn, ctx) if self.rounds > 1 else drawn
        return await self._selecting.run(query, mended, ctx)

    @property
    def _debugging(self) -> SelfDebug:
        asking = {**self._asking, "engine": self.engine, "prompt": self.debug_prompt}
        return SelfDebug(verifier=self.executor, rounds=self.rounds - 1, **asking)

    @property
    def _selecting(self) -> SelectByExecution:
        prompts = self.model_dump(include={"inputs", "inputs_prompt", "distinguish_prompt", "judge_prompt"})
        return SelectByExecution(executor=self.executor, engine=self.judge or self.engine, **prompts, **self._asking)

    @property
    def _asking(self) -> dict[str, Any]:
        return self.model_dump(include={"temperature", "top_p", "max_tokens"})
