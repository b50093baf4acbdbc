"""How likely the model finds what it wrote."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..orchestrator.engine import Sampling
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .naming import name_of
from .trace_confidence import along_path, unknown

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class SequenceLogprob(Verifier):
    """The log-probability of the tokens of an attempt, their mean or their sum, in nats.

    Of a partial attempt the whole path counts; text that a strategy put into it does not, for nobody drew it. Attempts
    that were drawn without log-probabilities are not judged: ``Score(None)``.

    Evidence: the log-probability of each chosen token, which the engine gave while the attempt was drawn.
    When to trust it: to choose among attempts of one model at one query. The sum favours short attempts and the mean
        repetitive ones; either may be highest for an empty answer.
    Cost: nothing; candidates are drawn with log-probabilities.
    Source: Chen et al. 2021, arXiv 2107.03374, section 3.3: of several programs the one of the highest mean is right
        more often than one at random, the one of the highest sum is not.
    Departs: nowhere.

    Args:
        of: whether the mean of the tokens counts or their sum.
    """

    kind: Literal["sequence_logprob"] = "sequence_logprob"
    of: Literal["mean", "sum"] = "mean"

    @property
    def name(self) -> str:
        """The kind, and the sum where it is that."""
        return name_of(self, "of")

    @property
    def score_scale(self) -> Scale:
        return "reward"

    def sampling(self, sampling: Sampling) -> Sampling:
        return sampling.model_copy(update={"logprobs": True})

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        return [self._judged(each) for each in candidates]

    def _judged(self, candidate: Candidate) -> Score:
        values = along_path(candidate, "logprobs")
        if not values or not all(map(math.isfinite, values)):
            return Score(None, kind="self", scale="reward", detail=unknown(values))
        total = math.fsum(values)
        return Score(total / len(values) if self.of == "mean" else total, kind="self", scale="reward")
