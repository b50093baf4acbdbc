"""What strategies that vote by confidence have in common: draws with confidences, and the order by their votes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from ..orchestrator.engine import Sampling
from ..orchestrator.types import Candidate
from ..verifiers.answers import AnyAnswer, NumberAnswer
from ..verifiers.trace_confidence import Ranks, Window
from .confidence import CONFIDENCE
from .drawing import Drawing
from .ranking import ranked
from .voting import vote

Share = Annotated[float, Field(gt=0, le=1)]


class ConfidentDrawing(Drawing):
    """A strategy that draws `n` candidates with confidences, by which their answers vote.

    Args:
        window: tokens of a window.
        top_logprobs: ranked tokens that a token's confidence is the mean of.
        answer: how the answer is read from a candidate.
    """

    window: Window = 2048
    top_logprobs: Ranks = 20
    answer: AnyAnswer = NumberAnswer()

    @property
    def sampling(self) -> Sampling:
        """How to draw: with confidences."""
        return super().sampling.model_copy(update={"top_logprobs": self.top_logprobs})

    def chosen(self, voters: Sequence[Candidate], others: Sequence[Candidate]) -> list[Candidate]:
        """The voters, those of the winning answer first, then the others, the most confident first."""
        return vote(voters, CONFIDENCE, weighted=True) + ranked(others, CONFIDENCE)
