"""What a verifier is: a judge of candidates, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict

from .canonical import canonical_json
from .engine import Engine, Sampling
from .shape import Medium
from .types import Candidate, Query, Score, Usage

if TYPE_CHECKING:
    from .judging import Judging


Scale = Literal["binary", "probability", "logit", "reward"]


class Verifier(BaseModel):
    """A judge of candidates: a frozen model of its knobs.

    A subclass sets `kind` to a literal, implements `score`, and, where judging costs tokens, `bound` and
    `engine_names`; where it asks again with what came back, also `depth`. It has no other effects than through `ctx`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    kind: str

    def __hash__(self) -> int:
        return hash(canonical_json(self))

    @property
    def name(self) -> str:
        """What its scores are filed under."""
        return self.kind

    @property
    def score_scale(self) -> Scale:
        """What its numbers mean: the `scale` of each score that tells one."""
        return "probability"

    @property
    def judges(self) -> frozenset[Medium]:
        """What candidates it can judge."""
        return frozenset({"text"})

    @property
    def needs_reference(self) -> bool:
        """Whether it can only judge a query that carries its reference answer."""
        return False

    @property
    def is_recorded(self) -> bool:
        """Whether a score depends on more than what is judged (a time limit, say) and so must be journalled.

        What a verifier asks of an engine is journalled by itself.
        """
        return False

    @property
    def is_relative(self) -> bool:
        """Whether its scores compare the candidates that are judged together, and mean nothing beyond them."""
        return False

    def engine_names(self) -> tuple[str, ...]:
        """The engines it asks, by their name in the pipeline."""
        return ()

    def check(self) -> None:
        """Refuse to judge where it never could, e.g. because a package is missing; asked before anything is paid.

        Raises:
            UsageError: it cannot work here; says what to do.
        """

    def sampling(self, sampling: Sampling) -> Sampling:
        """How candidates must be drawn so that it can judge them, e.g. with log-probabilities."""
        return sampling

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        """The most it may cost to judge one candidate of `completion_tokens` after `prompt_tokens`.

        Where `together` candidates are judged at once, each pays the same share.
        """
        return Usage()

    def least(self, engines: Mapping[str, Engine], prompt_tokens: int) -> Usage:
        """The least it costs to judge a candidate after `prompt_tokens`, where it costs anything."""
        return self.bound(engines, prompt_tokens, 0)

    def depth(self, together: int) -> int:
        """The most calls made one after another where `together` candidates, one at least, are judged at once."""
        return 1 if self.engine_names() else 0

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        """One score a candidate, in order; ``Score(None)`` for what it cannot tell."""
        raise TypeError(f"{type(self).__name__} must implement score")


class Executor(Verifier):
    """A verifier that runs attempts, such as programs: on its own tests, one step score a test, and on given inputs.

    A subclass implements `outputs` beside `score`. Strategies ask through `ctx.execute`, never directly.
    """

    async def outputs(
        self, query: Query, candidates: Sequence[Candidate], inputs: Sequence[str], ctx: Judging
    ) -> list[list[str | None]]:
        """What each candidate gives for each input, in order; None where it gives nothing, fails or takes too long."""
        raise TypeError(f"{type(self).__name__} must implement outputs")
