"""What strategies that draw whole candidates in parallel have in common: how many, and how."""

from __future__ import annotations

import operator
from typing import Annotated, Any, Self

from pydantic import Field

from ..orchestrator.engine import MAX_DRAWS
from ..orchestrator.plan import Plan
from ..orchestrator.sampling import JsonSchema, Sampling, is_free
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.verifier import Verifier
from .placing import check_first

SAMPLED = frozenset({"temperature", "top_p", "max_tokens", "stop"})
Draws = Annotated[int, Field(ge=1, le=MAX_DRAWS)]


class Drawing(Strategy):
    """A strategy that starts by drawing `n` candidates from the query.

    Args:
        n: candidates to draw, 1 to 4096.
        temperature: softmax temperature, 0 to 10; 0 is greedy.
        top_p: nucleus mass kept, above 0 and at most 1.
        max_tokens: most tokens of a candidate.
        stop: strings that end a candidate.
        engine: the engine's name in the pipeline.
    """

    n: Draws = 1
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 1.0
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 512
    stop: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    engine: str = "generator"

    @property
    def sampling(self) -> Sampling:
        return Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens, stop=self.stop)

    @property
    def follows(self) -> frozenset[str]:
        return SAMPLED

    def capped(self, max_tokens: int) -> Self:
        """The same, with at most `max_tokens` of a candidate.

        Override it where other knobs must then change too.
        """
        return self.model_copy(update={"max_tokens": min(self.max_tokens, max_tokens)})

    def engine_names(self) -> tuple[str, ...]:
        """The engine drawn from."""
        return (self.engine,)

    def draws(
        self,
        shape: Shape,
        plan: Plan,
        then: Verifier | None = None,
        *,
        fewest: int | None = None,
        together: bool = False,
    ) -> Shape:
        """The shape of `n` fresh draws, `fewest` of which are certain, and judged `together` or each by itself.

        Raises:
            ShapeError: there are candidates already, which would be dropped.
        """
        self.check_first(shape, plan)
        return plan.sample(self.n, self.sampling, self.engine, then, fewest=fewest, together=together)

    def check_first(self, shape: Shape, plan: Plan) -> None:
        """Refuse candidates that would be dropped.

        Raises:
            ShapeError: there are some.
        """
        check_first(self, shape, plan)


class FormedDrawing(Drawing):
    """A `Drawing` whose answers are one draw each, so that an engine can hold them to a form.

    Args:
        json_schema: the JSON text of a schema that each answer is valid under, where the engine can hold it to one and
            it is not cut; None leaves the form free.
        logprobs: whether answers carry the log-probability of each token.
    """

    json_schema: JsonSchema | None = Field(None, exclude_if=is_free)

    logprobs: Annotated[bool, Field(exclude_if=operator.not_)] = False

    @property
    def sampling(self) -> Sampling:
        told: dict[str, Any] = {"json_schema": self.json_schema} if self.json_schema is not None else {}
        told |= {"logprobs": True} if self.logprobs else {}
        return super().sampling.model_copy(update=told) if told else super().sampling

    @property
    def follows(self) -> frozenset[str]:
        return super().follows | {"json_schema", "logprobs"}
