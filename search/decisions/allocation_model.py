"""The allocation model: how accuracy grows with the knobs of one family of compositions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from ...orchestrator.errors import UsageError
from ...orchestrator.intervals import CONFIDENCE, Interval, ordered
from ..problem import Floats

CONSTANT = 1e-9  # a knob that strays no further from its mean has not varied
SINGULAR = 1e-12  # of the largest eigenvalue: a direction that varies less is not told
RIDGE = 1e-6  # of the largest eigenvalue: what no pilot tells gets a deviation of about a thousand residuals


@dataclass(frozen=True, slots=True, eq=False)
class AllocationModel:
    """Logit accuracy as a linear function of knobs on a logarithmic scale, fitted to the pilots of one family.

    Fit one family at a time: across strategies the law breaks (section 4 finds its poor predictions there), and
    nothing here can tell that two rows are of different families. What is predicted is the accuracy that would be
    measured on the pilots' own items; that other items would give another accuracy is not in its deviation.

    Source: Yue et al. 2024, arXiv 2410.04343, section 4.
    Departs: the paper's informativeness of one more document or shot belongs to the task and is a constant of one
        search, so it is part of the coefficients; least squares are weighted by how well each accuracy is known.

    Args:
        intercept: the logit at the centre.
        slopes: logits a unit of each knob; 0 for a knob that never varied, of which nothing is known.
        centre: the weighted mean of the pilots' knobs.
        factor: a row (knobs - centre) times it has the squared length of the parameter variance in units of
            `residual_sd` squared, that of the intercept apart.
        intercept_share: the variance of the intercept in the same units.
        residual_sd: the standard deviation of a pilot of middling weight about the line, in logits.
        r_squared: the weighted share of the variance of the logits that the line explains; 0 where they do not vary.
        points: pilots.
        freedom: pilots less fitted coefficients. At 0 the misfit cannot be told: `residual_sd` is then what chance
            in the items alone would give.
    """

    intercept: float
    slopes: Floats
    centre: Floats
    factor: Floats
    intercept_share: float
    residual_sd: float
    r_squared: float
    points: int
    freedom: int

    @classmethod
    def fit(cls, knobs: ArrayLike, accuracies: ArrayLike, items: int | ArrayLike) -> Self:
        """Fit the line by least squares, each logit weighted by the inverse of its delta-method variance.

        Accuracies are first held in [1/(2n), 1 - 1/(2n)] for n items, so that each has a logit. Where the pilots
        cannot tell all slopes apart, as where they are fewer than the knobs, the shortest solution is taken, and
        the directions they say nothing of have a deviation of about a thousand residuals.

        >>> model = AllocationModel.fit([[0.0], [1.0], [2.0]], [0.5, 0.6, 0.7], items=100)
        >>> round(model.interval([[3.0]])[0].mean, 2)
        0.78

        Args:
            knobs: one row a pilot of one family, on a logarithmic scale already.
            accuracies: of each pilot, 0 to 1.
            items: that each accuracy was measured on, or one number for all.

        Raises:
            UsageError: no pilots, lengths that differ, or numbers out of range.
        """
        rows, shares, counts = _checked(knobs, accuracies, items)
        held = np.clip(shares, 1 / (2 * counts), 1 - 1 / (2 * counts))
        logits = np.log(held / (1 - held))
        precision = counts * held * (1 - held)
        weights = precision / precision.mean()
        centre, height = np.average(rows, axis=0, weights=weights), float(np.average(logits, weights=weights))
        slopes, factor, rank = _least_squares(rows - centre, logits - height, weights)
        residuals = logits - height - (rows - centre) @ slopes
        freedom = max(0, len(rows) - 1 - rank)
        missed, total = float(weights @ residuals**2), float(weights @ (logits - height) ** 2)
        return cls(
            intercept=height,
            slopes=slopes,
            centre=centre,
            factor=factor,
            intercept_share=1 / float(weights.sum()),
            residual_sd=math.sqrt(missed / freedom if freedom else 1 / float(precision.mean())),
            r_squared=1 - missed / total if total > CONSTANT**2 * len(rows) else 0.0,
            points=len(rows),
            freedom=freedom,
        )

    def predict(self, knobs: ArrayLike) -> tuple[Floats, Floats]:
        """The expected logit of each row of knobs and the standard deviation of its prediction.

        The deviation holds the uncertainty of the parameters and the residual of a composition about the line.
        """
        away = np.atleast_2d(np.asarray(knobs, dtype=np.float64)) - self.centre
        share = 1 + self.intercept_share + np.square(away @ self.factor).sum(axis=1)
        return self.intercept + away @ self.slopes, self.residual_sd * np.sqrt(share)

    def interval(self, knobs: ArrayLike, confidence: float = CONFIDENCE) -> list[Interval]:
        """The accuracy of each row of knobs with its prediction interval: all of 0 to 1 where `freedom` is 0."""
        means, deviations = self.predict(knobs)
        if not self.freedom:
            return [Interval(_accuracy(mean), 0.0, 1.0) for mean in means.tolist()]
        reach = deviations * _t(confidence, self.freedom)
        ends = zip(means.tolist(), (means - reach).tolist(), (means + reach).tolist(), strict=True)
        return [ordered(_accuracy(mean), _accuracy(low), _accuracy(high)) for mean, low, high in ends]


def _checked(knobs: ArrayLike, accuracies: ArrayLike, items: int | ArrayLike) -> tuple[Floats, Floats, Floats]:
    rows, shares = np.asarray(knobs, dtype=np.float64), np.asarray(accuracies, dtype=np.float64)
    if rows.ndim != 2 or shares.shape != rows.shape[:1] or not len(rows):
        got = f"knobs of shape {rows.shape} and accuracies of shape {shares.shape}"
        rule = "a fit needs one row of knobs and one accuracy a pilot, at least one pilot"
        raise UsageError(f"{rule}, got {got}; measure a pilot, or leave out what has no accuracy")
    counts = np.broadcast_to(np.asarray(items, dtype=np.float64), shares.shape)
    if not np.isfinite(rows).all():
        raise UsageError("knobs must be finite numbers, got one that is not; take logarithms of positive knobs only")
    if not ((shares >= 0) & (shares <= 1)).all() or not (counts >= 1).all():
        raise UsageError("accuracies must be between 0 and 1, each of at least 1 item; leave out what was not measured")
    return rows, shares, counts


def _least_squares(rows: Floats, logits: Floats, weights: Floats) -> tuple[Floats, Floats, int]:
    """The slopes, a root of their covariance, and how many directions the rows tell, for centred rows and logits."""
    reach = np.abs(rows).max(axis=0)
    varies = reach > CONSTANT
    slopes, factor = np.zeros(len(reach)), np.zeros((len(reach), int(varies.sum())))
    if not varies.any():
        return slopes, factor, 0
    design = rows[:, varies] / reach[varies] * np.sqrt(weights)[:, None]
    values, directions = np.linalg.eigh(design.T @ design)
    rank = int((values > SINGULAR * values[-1]).sum())
    if rank < len(values):
        values = np.maximum(values, 0) + RIDGE * values[-1]
    pulls = directions.T @ (design.T @ (np.sqrt(weights) * logits))
    slopes[varies] = directions @ (pulls / values) / reach[varies]
    factor[varies] = directions / np.sqrt(values) / reach[varies][:, None]
    return slopes, factor, rank


@lru_cache(maxsize=256)
def _t(confidence: float, freedom: int) -> float:
    """The two-sided quantile of Student's t, by halving."""
    low, high = 0.0, math.pi / 2
    for _ in range(60):
        angle = (low + high) / 2
        low, high = (angle, high) if _within(angle, freedom) < confidence else (low, angle)
    return math.sqrt(freedom) * math.tan(low)


def _within(angle: float, freedom: int) -> float:
    """The chance that Student's t is within sqrt(freedom) tan(angle) of 0 (Abramowitz and Stegun 26.7.3 and 26.7.4)."""
    is_odd, cosine = freedom % 2, math.cos(angle)
    term, total = cosine**is_odd, 0.0
    for power in range(is_odd, freedom - 1, 2):
        total += term
        term *= cosine**2 * (power + 1) / (power + 2)
    inner = math.sin(angle) * total
    return 2 / math.pi * (angle + inner) if is_odd else inner


def _accuracy(logit: float) -> float:
    return 0.5 * (1 + math.tanh(logit / 2))
