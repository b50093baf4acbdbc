"""Another verifier's scores, as probabilities that come true as often as they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from ..orchestrator.engine import Engine, Sampling
from ..orchestrator.shape import Medium
from ..orchestrator.types import Candidate, Query, Score, Usage
from ..orchestrator.verifier import Verifier
from .naming import digits
from .nesting import AnyVerifier
from .reliability.score_map import ScoreMap

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class Calibrated(Verifier):
    """Map the scores of another verifier to the probability that the candidate is right.

    The map is data, saved with the verifier: `PlattMap.fit` or `IsotonicMap.fit` make one from scores whose truth is
    known. It never falls, so that candidates keep their order, but scores that it maps to the same probability tie.
    What the verifier cannot tell stays untold; step scores are dropped, for the map is that of the whole score. A
    verifier whose scores only compare the candidates judged together is refused: its scores mean nothing to be mapped.

    Evidence: the score of `verifier`, and how often scores like it came true.
    When to trust it: on tasks like those it was fitted on, with some hundred outcomes for the isotonic map and some
        dozens for Platt's line. Judge the fit on other tasks than those it was made of, with `calibration`.
    Cost: what `verifier` costs; what it has judged already is not paid again, whatever the map.
    Source: Platt 1999; Zadrozny and Elkan 2002, "Transforming classifier scores into accurate multiclass probability
        estimates"; Guo et al. 2017, arXiv 1706.04599.
    Departs: nowhere.

    Args:
        verifier: whose scores are mapped.
        map: from its scores to probabilities.
    """

    kind: Literal["calibrated"] = "calibrated"
    verifier: AnyVerifier
    map: ScoreMap

    @model_validator(mode="after")
    def _is_absolute(self) -> Self:
        if self.verifier.is_relative:
            raise ValueError(
                f"verifier must score each candidate by itself, but {self.verifier.name!r} compares those that are "
                "judged together; calibrate another"
            )
        return self

    @property
    def name(self) -> str:
        """The kind, the name of the verifier, and six digits that name the map."""
        return f"{self.kind}:{self.verifier.name}{digits(self, 'verifier')}"

    @property
    def judges(self) -> frozenset[Medium]:
        return self.verifier.judges

    @property
    def needs_reference(self) -> bool:
        return self.verifier.needs_reference

    def engine_names(self) -> tuple[str, ...]:
        return self.verifier.engine_names()

    def check(self) -> None:
        self.verifier.check()

    def sampling(self, sampling: Sampling) -> Sampling:
        return self.verifier.sampling(sampling)

    def bound(
        self, engines: Mapping[str, Engine], prompt_tokens: int, completion_tokens: int, together: int = 1
    ) -> Usage:
        return self.verifier.bound(engines, prompt_tokens, completion_tokens, together)

    def least(self, engines: Mapping[str, Engine], prompt_tokens: int) -> Usage:
        return self.verifier.least(engines, prompt_tokens)

    def depth(self, together: int) -> int:
        return self.verifier.depth(together)

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        return [self._mapped(score) for score in await ctx.scores(query, candidates, self.verifier)]

    def _mapped(self, score: Score) -> Score:
        if score.value is None:
            return score
        chance = self.map.chance(score.value)
        detail = score.detail if chance is not None else f"a score of {score.value:g} has no log-odds"
        return Score(chance, kind=score.kind, detail=detail, usage=score.usage)
