"""What strategies that lay earlier candidates before a model have in common: how it is asked, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, ClassVar

from pydantic import Field

from ..orchestrator.context import Context
from ..orchestrator.engine import Sampling
from ..orchestrator.errors import VerifierError
from ..orchestrator.plan import Plan
from ..orchestrator.prompting import NUMBERING
from ..orchestrator.shape import Shape
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Candidate
from .placing import check_given


class Asking(Strategy):
    """A strategy that asks a model about the candidates it is given.

    Args:
        temperature: softmax temperature, 0 to 10; 0 is greedy.
        top_p: nucleus mass kept, above 0 and at most 1.
        max_tokens: most tokens of a reply.
        engine: the name of the engine that is asked.
    """

    writes: ClassVar[bool] = False
    temperature: Annotated[float, Field(ge=0, le=10, allow_inf_nan=False)] = 0.7
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    max_tokens: Annotated[int, Field(ge=1, le=1_000_000)] = 1024
    engine: str = "generator"

    @property
    def sampling(self) -> Sampling:
        return Sampling(temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens)

    def engine_names(self) -> tuple[str, ...]:
        """The engine that is asked."""
        return (self.engine,)

    def asks(self, plan: Plan, shape: Shape, template: str, n: int, certain: int, shown: int = 1) -> Shape:
        """Count `n` replies, `certain` of them surely, to `template` filled with `shown` candidates of `shape`.

        Raises:
            ShapeError: there are no candidates to ask about.
        """
        check_given(self, shape, plan)
        reads = reading(plan, shape, self.engine, template, shown)
        return plan.sample(n, self.sampling, self.engine, fewest=certain, reads=reads)

    def note_unread(self, ctx: Context, wanted: str) -> None:
        """Note in the result that no reply could be read, where it must hold what is `wanted`."""
        rule = f"{self.kind} must read {wanted} in what engine {self.engine!r} replies, but cannot"
        ctx.note(VerifierError(f"{rule}; change its prompt or its engine"))


def reading(plan: Plan, shape: Shape, engine: str, template: str, shown: int) -> int:
    """The most tokens of `template` filled with `shown` candidates of `shape` and what they carry."""
    parts = [shape, *shape.carries.values()]
    each = sum(plan.reads(part, engine) + NUMBERING for part in parts)
    return plan.template(template) + shown * each


def described(candidates: Iterable[Candidate]) -> list[str]:
    """The text of each candidate, and its critique where it has one."""
    return [c.text if c.critique is None else f"{c.text}\n\nCritique:\n{c.critique}" for c in candidates]


def distinct(candidates: Sequence[Candidate]) -> list[str]:
    """The different texts of `candidates`, in their order: equal ones need be asked about once."""
    return list(dict.fromkeys(candidate.text for candidate in candidates))
