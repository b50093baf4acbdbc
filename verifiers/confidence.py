"""How sure a model was of what it wrote, by the least sure or the last of its tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from ..orchestrator.engine import Sampling
from ..orchestrator.types import Candidate, Query, Score
from ..orchestrator.verifier import Scale, Verifier
from .naming import digits
from .trace_confidence import Measure, Ranks, Window, along_path, trace_confidence, unknown, with_ranks

if TYPE_CHECKING:
    from ..orchestrator.judging import Judging


class Confidence(Verifier):
    """The confidence with which the model wrote an attempt, in nats.

    A token's confidence is minus the mean log-probability of the `top_logprobs` likeliest tokens there: 0 at the least,
    and the higher the more the model leans to few of them. Of a partial attempt the whole path counts. Attempts that
    were drawn without log-probabilities are not judged: ``Score(None)``.

    Evidence: the log-probabilities that the engine gave while the attempt was drawn.
    When to trust it: to choose among attempts of one model at one query. It is no probability, it depends on the model
        and on `top_logprobs`, and a model that is sure of its mistakes is sure here too.
    Cost: nothing; candidates are drawn with log-probabilities.
    Source: Fu et al. 2025 (DeepConf), arXiv 2508.15260.
    Departs: an attempt shorter than a window is one window.

    Args:
        measure: the confidence of all tokens (``mean``), of the last `window` (``tail``), of the least sure tenth of
            all windows (``bottom``) or of the least sure window (``min``).
        window: tokens of a window.
        top_logprobs: likeliest tokens that a token's confidence is the mean of, 1 to 20.
    """

    kind: Literal["confidence"] = "confidence"
    measure: Measure = "tail"
    window: Window = 2048
    top_logprobs: Ranks = 20

    @property
    def name(self) -> str:
        """The kind, then the measure, the window where that counts, and what else is not the default."""
        measure = "" if self.measure == "tail" else f":{self.measure}"
        window = "" if self.window == 2048 or self.measure == "mean" else f":{self.window}"
        return self.kind + measure + window + digits(self, "measure", "window")

    @property
    def score_scale(self) -> Scale:
        return "reward"

    def sampling(self, sampling: Sampling) -> Sampling:
        return with_ranks(sampling, self.top_logprobs)

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: Judging) -> list[Score]:
        return [self.judged(each) for each in candidates]

    def judged(self, candidate: Candidate) -> Score:
        """The score of one attempt."""
        values = along_path(candidate, "confidences")
        value = trace_confidence(values or (), self.measure, self.window)
        return Score(value, kind="self", scale="reward", detail="" if value is not None else unknown(values))
