"""How far a model's predictions were from a guess among all tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..orchestrator.engine import Sampling
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .naming import name_of
from .trace_confidence import Ranks, along_path, trace_confidence, unknown, with_ranks

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class SelfCertainty(Verifier):
    """The mean divergence of the model's predictions from the uniform one, over the tokens of an attempt, in nats.

    With p the probabilities at a token and k the `top_logprobs` likeliest tokens there, a token counts
    ``-(1/k) * sum(log(k * p_j))``, and an attempt the mean of its tokens. That is 0 where the k share all probability
    evenly, and else more. Of a partial attempt the whole path counts. Attempts that were drawn without
    log-probabilities are not judged: ``Score(None)``.

    Evidence: the log-probabilities that the engine gave while the attempt was drawn.
    When to trust it: to choose among attempts of one model at one query. It is no probability, and a model that is sure
        of its mistakes is certain of them here too.
    Cost: nothing; candidates are drawn with log-probabilities.
    Source: Kang, Zhao and Song 2025, arXiv 2502.18581: ``-(1/V) * sum(log(V * p_j))`` over a vocabulary of V
        tokens, the Kullback-Leibler divergence from the uniform distribution.
    Departs: engines tell the k likeliest tokens, not all V, so these stand for the vocabulary. For k = V it is the
        paper's. Below that the many unlikely tokens, which weigh most in the paper's sum, are not seen, values for
        different k cannot be compared, and attempts are ordered as by the mean confidence of DeepConf, which is this
        plus log k.

    Args:
        top_logprobs: likeliest tokens that stand for the vocabulary, 1 to 20; no more than it has.
    """

    kind: Literal["self_certainty"] = "self_certainty"
    top_logprobs: Ranks = 20

    @property
    def name(self) -> str:
        """The kind, and six digits for what is not the default."""
        return name_of(self)

    @property
    def score_scale(self) -> Scale:
        return "reward"

    def sampling(self, sampling: Sampling) -> Sampling:
        return with_ranks(sampling, self.top_logprobs)

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        return [self._judged(each) for each in candidates]

    def _judged(self, candidate: Candidate) -> Score:
        values = along_path(candidate, "confidences")
        mean = trace_confidence(values or (), "mean", 1)
        if mean is None:
            return Score(None, kind="self", scale="reward", detail=unknown(values))
        return Score(max(0.0, mean - math.log(self.top_logprobs)), kind="self", scale="reward")
