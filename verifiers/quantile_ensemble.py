"""The mean of several verifiers' scores, each as its place in a sample of that verifier's scores."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..orchestrator.errors import UsageError
from ..orchestrator.types import Score
from ..orchestrator.verifier import Verifier
from .ensemble import Missing, Row, VerifierEnsemble, mean_score

MOST_KNOTS = 200
Knots = Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=1, max_length=10_000)]


class QuantileEnsemble(VerifierEnsemble):
    """The weighted mean of the members' scores, each mapped to its quantile in a calibration sample.

    A score's quantile is the share of the sample below it, with half of what is equal to it: 0 below all, 1 above all.
    So members may score on any scales, and unlike ranks the result does not depend on the other candidates: it can be
    compared between queries and with a threshold. Where a member cannot tell, neither can the ensemble, or, with
    ``missing="skip"``, the others share its weight. `QuantileEnsemble.fit` makes one from scores.

    Evidence: that of the members, and how they scored the sample.
    When to trust it: the sample is of tasks and candidates like those to be judged, a hundred scores or more; outside
        it all scores are alike. It says how good a candidate is for the sample, not how likely it is right: calibrate
        it for that.
    Cost: the sum of the members; equal members are asked once.
    Source: quantile normalisation, Bolstad et al. 2003, "A comparison of normalization methods for high density
        oligonucleotide array data based on variance and bias", of scores instead of intensities; Parzen 2004, "Quantile
        probability and statistical data modeling", for the quantile of a tie (mid-distribution function).
    Departs: quantiles are averaged as they are, and not mapped back to a common distribution.

    Args:
        knots: for each member scores in ascending order, the quantiles of its sample or the sample itself.
        missing: what follows where a member cannot tell.
    """

    kind: Literal["quantile_ensemble"] = "quantile_ensemble"
    knots: tuple[Knots, ...]
    missing: Missing = "abstain"

    @model_validator(mode="after")
    def _has_knots_of_each(self) -> Self:
        if len(self.knots) != len(self.members):
            raise ValueError(
                f"knots must be given for each of the {len(self.members)} members, got {len(self.knots)}; fit them"
            )
        if any(one > other for knots in self.knots for one, other in pairwise(knots)):
            raise ValueError("knots must be in ascending order, but some are not; sort them, or fit them")
        if relative := [member.name for member in self.members if member.is_relative]:
            raise ValueError(
                f"members must score each candidate by itself, but {relative[0]!r} compares those that are judged "
                "together; use a rank ensemble"
            )
        return self

    @classmethod
    def fit(cls, members: Sequence[Verifier], samples: Sequence[Sequence[float | None]], **knobs: Any) -> Self:
        """The ensemble whose quantiles are those of `samples`, by 200 knots a member at most.

        Args:
            members: the verifiers.
            samples: for each member its scores of some candidates; None, which it could not tell, is left out.
            knobs: any other of the ensemble.

        Raises:
            UsageError: there is not one sample a member, or one holds no score or one that is not finite.
        """
        if len(samples) != len(members):
            raise UsageError(
                f"there must be one sample a member, got {len(samples)} for {len(members)}; add or drop some"
            )
        return cls(members=tuple(members), knots=tuple(map(_knots, samples)), **knobs)

    @property
    def does_without(self) -> bool:
        return self.missing == "skip"

    def combined(self, rows: Sequence[Row]) -> list[Score]:
        return [self._mean(scores) for scores in zip(*rows, strict=True)]

    def _mean(self, scores: Sequence[Score]) -> Score:
        weights = self.weights or (1.0,) * len(self.members)
        counted = [knots for knots, weight in zip(self.knots, weights, strict=True) if weight]
        pairs = zip(scores, counted, strict=True)
        values = [None if score.value is None else quantile(score.value, knots) for score, knots in pairs]
        return mean_score(scores, values, self.weighed, self.missing)


def quantile(value: float, knots: Sequence[float]) -> float:
    """The share of `knots`, which ascend, below `value`, and half of those equal to it.

    >>> [quantile(value, (1.0, 2.0, 2.0, 5.0)) for value in (0.0, 1.0, 2.0, 3.0, 9.0)]
    [0.0, 0.125, 0.5, 0.75, 1.0]
    """
    return (bisect_left(knots, value) + bisect_right(knots, value)) / (2 * len(knots))


def _knots(sample: Sequence[float | None]) -> tuple[float, ...]:
    """The sample in order, thinned evenly to the most knots there may be."""
    told = sorted(value for value in sample if value is not None)
    if not told or not all(map(math.isfinite, told)):
        raise UsageError("each sample must hold finite scores, one at least, but one does not; judge more candidates")
    count = min(len(told), MOST_KNOTS)
    return tuple(told[(2 * i + 1) * len(told) // (2 * count)] for i in range(count))
