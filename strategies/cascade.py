"""Cascade: strategies in the order of their cost, until a verifier accepts an answer."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.context import Context
from ..orchestrator.plan import Plan
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate, Query
from ..verifiers import AnyVerifier
from .nesting import AnyStrategy, engines_of, infer_part
from .ranking import rank_key

Threshold = Annotated[float, Field(allow_inf_nan=False)]


class Cascade(Strategy):
    """Try strategies from the cheapest to the dearest, and stop at the first whose best candidate scores enough.

    The last stage is not judged. Candidates of earlier stages come back only where later ones gave none, the better
    scored stage first.

    Family: composition
    When it pays: most questions are easy enough for the cheap stages, and the verifier knows when they are not. A
        verifier that accepts what is wrong caps the accuracy of the whole; one that accepts little pays for every
        stage.
    Cost: the stages that ran, and a judgement of each but the last; depth the sum of theirs.
    Source: Chen et al. 2023 (FrugalGPT), arXiv 2305.05176, section 3.
    Departs: stages are strategies instead of models, and any verifier scores.

    Args:
        stages: at least two; each is given what the cascade is given.
        verifier: judges the best candidate of a stage.
        thresholds: for each stage but the last, the least score that is accepted.
    """

    writes: ClassVar[bool] = False
    kind: Literal["cascade"] = "cascade"
    stages: Annotated[tuple[AnyStrategy, ...], Field(min_length=2, max_length=64)]
    verifier: AnyVerifier
    thresholds: tuple[Threshold, ...]

    @model_validator(mode="after")
    def _has_thresholds(self) -> Self:
        wanted = len(self.stages) - 1
        if len(self.thresholds) != wanted:
            got = len(self.thresholds)
            raise ValueError(f"thresholds must be one a stage but the last, so {wanted}, got {got}; give {wanted}")
        return self

    @property
    def is_speculative(self) -> bool:
        return any(stage.is_speculative for stage in self.stages)

    def engine_names(self) -> tuple[str, ...]:
        """The engines of every stage and of the verifier."""
        return tuple(dict.fromkeys((*engines_of(self.stages), *self.verifier.engine_names())))

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The candidates of one of the stages; only the first is certain to run."""
        shapes = [infer_part(self.stages[0], "0", shape, plan)]
        plan.score(shapes[0].narrowed(1), self.verifier)
        with plan.maybe():
            for i, stage in enumerate(self.stages[1:], 1):
                shapes.append(infer_part(stage, str(i), shape, plan))
                if i < len(self.thresholds):
                    plan.score(shapes[i].narrowed(1), self.verifier)
        return reduce(Shape.either, shapes)

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """The candidates of the first stage that is accepted, or of the last."""
        rejected: list[list[Candidate]] = []
        for i, stage in enumerate(self.stages):
            drawn = await stage.run(query, candidates, ctx.child(str(i), stage.kind))
            if drawn and i < len(self.thresholds):
                best, *others = drawn
                best = (await ctx.score(query, [best], self.verifier))[0]
                drawn = [best, *others]
                value = best.scores[self.verifier.name].value
                if value is None or value < self.thresholds[i]:
                    rejected, drawn = [*rejected, drawn], []
            if drawn or ctx.is_stopped:
                return drawn or self._fallback(rejected)
        return self._fallback(rejected)

    def _fallback(self, rejected: Sequence[list[Candidate]]) -> list[Candidate]:
        """The candidates of all rejected stages, the stage whose best is scored higher first."""
        ordered = sorted(rejected, key=lambda stage: rank_key(stage[0], self.verifier.name))
        return [candidate for stage in ordered for candidate in stage]
