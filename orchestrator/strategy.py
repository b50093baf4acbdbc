"""What a strategy is: a way to spend compute on a query, as data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import BaseModel, ConfigDict

from .canonical import stable_id
from .plan import Plan
from .shape import Medium, Shape
from .types import Candidate, Query

if TYPE_CHECKING:
    from .context import Context


class Strategy(BaseModel):
    """A way to spend compute on a query: a frozen model of its knobs.

    A subclass sets `kind` to a literal and implements `run` and `infer`. `run` is the algorithm as its paper
    tells it, deterministic given what `ctx` returns, and has no other effects than through `ctx`. When the budget,
    the deadline or an engine ends it, `ctx` returns less than was asked; `run` then returns the best it has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    chooses: ClassVar[bool] = True
    """Whether the first of several candidates that it returns was chosen, rather than being the first by chance."""
    takes: ClassVar[frozenset[Medium]] = frozenset({"text"})
    """What the candidates may be that it works on, where it works on any."""
    writes: ClassVar[bool] = True
    """Whether it draws by itself what may become an answer, rather than judging, or letting others draw."""
    kind: str

    def __hash__(self) -> int:
        return hash(self.id)

    @property
    def id(self) -> str:
        """Twelve hexadecimal digits that name this strategy and its knobs."""
        return stable_id(self.model_dump(mode="json"))

    @property
    def is_speculative(self) -> bool:
        """Whether it may send calls that it then drops.

        They are charged in full, so that its usage is the same every time, and at least what the journal holds.
        """
        return False

    @property
    def follows(self) -> frozenset[str]:
        """The knobs by which whoever asks may change how it draws an answer.

        They are among temperature, top_p, max_tokens, stop, and, where each answer is one draw, json_schema, logprobs;
        and tools, where no answer is read before it is given.

        A temperature and a nucleus mass take the place of its own, a number of tokens goes to `capped`, and strings
        are added to `stop`. One that `writes` and follows none cannot be asked for anything special.
        """
        return frozenset()

    def capped(self, max_tokens: int) -> Self:
        """The same, with at most `max_tokens` of an answer, where it follows that.

        Raises:
            ValueError: no answer is that short.
        """
        return self

    def engine_names(self) -> tuple[str, ...]:
        """The engines it uses, by their name in the pipeline."""
        return ("generator",)

    def infer(self, shape: Shape, plan: Plan) -> Shape:
        """The shape of what it returns for candidates of `shape`; counts its effects on `plan`.

        Raises:
            ShapeError: it cannot work on candidates of that shape.
        """
        raise TypeError(f"{type(self).__name__} must implement infer")

    async def run(self, query: Query, candidates: Sequence[Candidate], ctx: Context) -> list[Candidate]:
        """Candidates, best first."""
        raise TypeError(f"{type(self).__name__} must implement run")
