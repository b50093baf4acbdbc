"""What the best scored of N draws can reach, when wrong draws may outscore right ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...orchestrator.errors import UsageError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BestOfNLaw:
    """The accuracy of the best scored of N independent draws of one task, exact by order statistics.

    The scores of right and of wrong draws are given as samples, taken as the whole of their law. With F the law of a
    draw's score, the best of N scores up to x with chance F(x)^N, and draws that tie for it are right as often as draws
    of that score are. Where the highest scores are those of wrong draws, accuracy rises with N and then falls: the more
    draws, the surer that one misleads the verifier. Samples know nothing of scores rarer than one in their number, so
    believe this up to about as many draws as there are samples.

    Source: Cobbe et al. 2021 (arXiv 2110.14168), section 4.2, has the bend measured; Stroebl, Kapoor and Narayanan 2024
    (arXiv 2411.17501) the false positives behind it. The law is ours.

    Args:
        correct: chance that a draw is right.
        right_scores: what the verifier says of right draws; may be empty where there are none.
        wrong_scores: what it says of wrong ones; likewise.

    >>> law = BestOfNLaw(0.5, right_scores=(0.6, 0.8), wrong_scores=(0.1, 0.2, 0.3, 0.9))
    >>> [round(law.accuracy(n), 3) for n in (1, 2, 4, 8, 32)]
    [0.5, 0.625, 0.566, 0.343, 0.014]
    """

    correct: float
    right_scores: tuple[float, ...]
    wrong_scores: tuple[float, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.correct <= 1:
            raise UsageError(f"correct must be a probability, got {self.correct!r}; give a share between 0 and 1")
        if (self.correct > 0 and not self.right_scores) or (self.correct < 1 and not self.wrong_scores):
            raise UsageError("there must be scores of the right and of the wrong draws that occur; judge more draws")
        if not np.isfinite([*self.right_scores, *self.wrong_scores]).all():
            raise UsageError("scores must be finite, got one that is not; leave out what could not be judged")

    def accuracy(self, n: int) -> float:
        """The chance that the best scored of `n` draws is right; ties are broken at random.

        Raises:
            UsageError: `n` is below 1.
        """
        if n < 1:
            raise UsageError(f"n must be at least 1, got {n}; one draw is the least there is")
        values, right = self._at_each_score()
        below = np.cumsum(values) - values
        best = np.minimum(below + values, 1.0) ** n - below**n
        return float(np.sum(np.divide(right, values, out=np.zeros_like(right), where=values > 0) * best))

    def _at_each_score(self) -> tuple[Floats, Floats]:
        """For each score that occurs, ascending, the chance of a draw to have it, and to have it and be right."""
        scores = np.array([*self.right_scores, *self.wrong_scores])
        rights, wrongs = len(self.right_scores), len(self.wrong_scores)
        each = [self.correct / max(rights, 1), (1 - self.correct) / max(wrongs, 1)]
        chances = np.repeat(each, [rights, wrongs])
        at = np.unique(scores, return_inverse=True)[1]
        is_right = np.arange(len(scores)) < rights
        return np.bincount(at, chances).astype(float), np.bincount(at, chances * is_right).astype(float)
