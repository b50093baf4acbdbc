"""The weighted mean of several verifiers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Self

from pydantic import model_validator

from ..orchestrator.types import Score
from ..orchestrator.verifier import Scale, Verifier
from .ensemble import Missing, Row, VerifierEnsemble, mean_score

FITTING = {"probability": ("binary", "probability"), "logit": ("logit",), "reward": ("reward",)}


class WeightedEnsemble(VerifierEnsemble):
    """The weighted mean of the members' scores, on one scale.

    Verdicts of 0 and 1 fit among probabilities; else a member of another scale than `scale` is refused, since a mean of
    log-odds and probabilities means nothing, and so is a score on another scale than its verifier declares:
    ``Score(None)``. Where a member cannot tell, neither can the ensemble, or, with ``missing="skip"``, the others share
    its weight.

    Evidence: that of the members.
    When to trust it: members err independently and on one scale: then it errs less than each. A member that is worth
        less drags the others down unless its weight says so; one that skips hard candidates favours them.
    Cost: the sum of the members; equal members are asked once.
    Source: the mean rule of Kittler et al. 1998, "On combining classifiers"; of verifiers Lifshitz, McIlraith and Du
        2025 (multi-agent verification), arXiv 2502.20379.
    Departs: that paper adds yes-or-no verdicts of equal weight; here scores may be graded and weighted.

    Args:
        scale: what the members' scores mean; of ``reward``, that they may be added is your word.
        missing: what follows where a member cannot tell.
    """

    kind: Literal["weighted"] = "weighted"
    scale: Literal["probability", "logit", "reward"] = "probability"
    missing: Missing = "abstain"

    @model_validator(mode="after")
    def _is_on_one_scale(self) -> Self:
        for member, _ in self.weighed:
            if member.score_scale not in FITTING[self.scale]:
                raise ValueError(self._misfit(member, member.score_scale))
        return self

    @property
    def score_scale(self) -> Scale:
        return self.scale

    @property
    def does_without(self) -> bool:
        return self.missing == "skip"

    def combined(self, rows: Sequence[Row]) -> list[Score]:
        return [self._mean(scores) for scores in zip(*rows, strict=True)]

    def _mean(self, scores: Sequence[Score]) -> Score:
        for (member, _), score in zip(self.weighed, scores, strict=True):
            if score.value is not None and score.scale not in FITTING[self.scale]:
                return Score(None, scale=self.scale, detail=self._misfit(member, score.scale))
        values = [score.value for score in scores]
        return replace(mean_score(scores, values, self.weighed, self.missing), scale=self.scale)

    def _misfit(self, member: Verifier, scale: Scale) -> str:
        rule = f"members must score on the scale {self.scale!r}, but {member.name} does on {scale!r}"
        return f"{rule}; calibrate it, or combine ranks or quantiles"
