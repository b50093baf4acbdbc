"""What drawing until a verifier accepts is worth on tasks that differ, and when one more attempt no longer pays."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...orchestrator.engine import MAX_DRAWS
from ...orchestrator.errors import UsageError
from .resampling_law import ResamplingLaw

NOTHING = 1e-12
"""A gain up to this, for each unit that is at stake, is rounding."""


@dataclass(frozen=True, slots=True)
class MixedResamplingLaw:
    """Drawing until an imperfect verifier accepts, over types of tasks (Stroebl, Kapoor and Narayanan 2024).

    A right answer is worth 1, a wrong one ``-wrong_cost``, none 0; each draw costs ``call_cost``, its judgement
    included. With a_t and w_t the chances that a draw of type t is accepted right and accepted wrong, and
    ``b_t = 1 - a_t - w_t``, at most K attempts are worth

        V(K) = sum over k = 1..K and t of p_t b_t^(k-1) (a_t - wrong_cost w_t - call_cost).

    Attempts that are still running are more and more those of hard tasks, and so a finite number of attempts is best
    even where calls cost nothing. With a single type every attempt is worth as much as the first: the best number is 0
    or endless.

    Source: arXiv 2411.17501, "The Limits of Inference Scaling Through Resampling", the model of its cost-benefit
    analysis.
    Departs: the notebook published with the paper takes the chance of reaching attempt k from the posterior over types
    instead of the prior, and so counts the rejections before it twice (for the example below .425 and .024 instead of
    .445 and .192, which simulation confirms). The cost of calls is ours; so is that types may differ in what the
    verifier does.

    Args:
        types: the law of each type.
        shares: how often each type comes; they sum to 1.

    >>> easy, hard = ResamplingLaw(0.87, 1.0, 0.25), ResamplingLaw(0.13, 1.0, 0.25)
    >>> law = MixedResamplingLaw((easy, hard), (0.58, 0.42))
    >>> [round(law.value(5, wrong_cost=cost), 3) for cost in (1, 2)]
    [0.445, 0.192]
    >>> [law.best_attempts(wrong_cost=cost) for cost in (0.7, 1, 2, 4, 8)]
    [3, 2, 1, 1, 0]
    """

    types: tuple[ResamplingLaw, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.types or len(self.types) != len(self.shares):
            raise UsageError(
                f"there must be one share a type, and a type at least, got {len(self.types)} types and "
                f"{len(self.shares)} shares; name the share of each"
            )
        if not all(share >= 0 for share in self.shares) or not math.isclose(math.fsum(self.shares), 1, abs_tol=1e-6):
            raise UsageError(f"shares must be at least 0 and sum to 1, got {list(self.shares)}; divide by their sum")

    @property
    def ceiling(self) -> float:
        """The accuracy of endlessly many attempts: the mean over types of the verifier's precision."""
        return self._mean([each.ceiling for each in self.types])

    def accuracy(self, tries: int, fallback: float | None = None) -> float:
        """The chance that the answer is right after at most `tries` draws.

        Args:
            tries: most draws, at least 1.
            fallback: the chance that the answer is right where none was accepted: 0 abstains, None takes a rejected
                draw.
        """
        return self._mean([each.accuracy(tries, fallback) for each in self.types])

    def answered(self, tries: int) -> float:
        """The chance that one of at most `tries` draws is accepted."""
        return 1 - self._mean([(1 - each.accepts) ** tries for each in self.types])

    def precision(self, tries: int) -> float:
        """The chance that an accepted answer is right; the chance of a first draw where none is ever accepted."""
        if answered := self.answered(tries):
            return self.accuracy(tries, 0.0) / answered
        return self._mean([each.correct for each in self.types])

    def draws(self, tries: int) -> float:
        """The mean number of draws, of at most `tries`, drawn one after the other."""
        return self._mean([each.draws(tries) for each in self.types])

    def value(self, tries: int, *, wrong_cost: float = 0.0, call_cost: float = 0.0) -> float:
        """What at most `tries` attempts are worth, where nothing is answered once all are rejected.

        Args:
            tries: most draws; 0 does not try.
            wrong_cost: what a wrong answer costs, in units of what a right one is worth.
            call_cost: what a draw and its judgement cost, in the same units.
        """
        check_costs(wrong_cost, call_cost)
        if tries == 0:
            return 0.0
        right = self.accuracy(tries, 0.0)
        return right - wrong_cost * (self.answered(tries) - right) - call_cost * self.draws(tries)

    def posterior(self, attempt: int) -> tuple[float, ...]:
        """The shares of the types among the tasks on which all draws before this attempt (1, 2, ...) were rejected.

        Raises:
            UsageError: the attempt is below 1, or never reached.
        """
        if attempt == 1:
            return self.shares
        if attempt < 1 or not (most := self._most_rejected()):
            raise UsageError(
                f"an attempt must be 1 or one that can be reached, got {attempt}; ask about an earlier one"
            )
        reached = [
            share * (rejected / most) ** (attempt - 1)
            for share, rejected in zip(self.shares, self._rejects(), strict=True)
        ]
        total = math.fsum(reached)
        return tuple(each / total for each in reached)

    def is_worth(self, attempt: int, *, wrong_cost: float = 0.0, call_cost: float = 0.0, most: int = MAX_DRAWS) -> bool:
        """Whether this attempt (1, 2, ...) is worth making where all before it were rejected and `most` may be made.

        It is where it gains by itself, or later ones more than make up for it.
        """
        if attempt > 1 and not self._most_rejected():
            return False
        from_here = MixedResamplingLaw(self.types, self.posterior(attempt))
        return from_here.best_attempts(wrong_cost=wrong_cost, call_cost=call_cost, most=most - attempt + 1) > 0

    def gain(self, attempt: int, *, wrong_cost: float = 0.0, call_cost: float = 0.0) -> float:
        """What this attempt (1, 2, ...) alone is worth where all before it were rejected."""
        check_costs(wrong_cost, call_cost)
        worth = self._worth(wrong_cost, call_cost)
        return math.fsum(share * each for share, each in zip(self.posterior(attempt), worth, strict=True))

    def best_attempts(self, *, wrong_cost: float = 0.0, call_cost: float = 0.0, most: int = MAX_DRAWS) -> int:
        """The number of attempts, up to `most`, that is worth most; 0 where it is best not to try.

        The fewest of those that are worth the same. It is `most` where more would pay still. An attempt that loses
        is made where later ones more than make up for it.
        """
        check_costs(wrong_cost, call_cost)
        attempts = list(self._attempts(wrong_cost, call_cost, most))
        ahead, best, least = 0.0, len(attempts), NOTHING * (1 + wrong_cost + call_cost)
        for before, (gain, rejected) in reversed(list(enumerate(attempts))):
            ahead = gain + rejected * max(0.0, ahead)
            if ahead <= least:
                best = before
        return best

    def _attempts(self, wrong_cost: float, call_cost: float, most: int) -> Iterator[tuple[float, float]]:
        """Of each attempt what it is worth and the chance that it is rejected too, where all before it were."""
        worth = np.array(self._worth(wrong_cost, call_cost))
        rejects, posterior = np.array(self._rejects()), np.array(self.shares)
        for _ in range(most):
            rejected = float(posterior @ rejects)
            yield float(posterior @ worth), rejected
            if rejected <= 0:
                return
            posterior = posterior * rejects / rejected

    def _rejects(self) -> list[float]:
        return [max(0.0, 1 - each.accepts) for each in self.types]

    def _most_rejected(self) -> float:
        """The chance of a rejection on the type, of those there are, on which it is highest."""
        return max(rejected for share, rejected in zip(self.shares, self._rejects(), strict=True) if share)

    def _worth(self, wrong_cost: float, call_cost: float) -> list[float]:
        return [each.accepted_right - wrong_cost * each.accepted_wrong - call_cost for each in self.types]

    def _mean(self, values: list[float]) -> float:
        return math.fsum(share * value for share, value in zip(self.shares, values, strict=True))


def check_costs(wrong_cost: float, call_cost: float) -> None:
    """Refuse costs that are none.

    Raises:
        UsageError: one is below 0, or not finite.
    """
    if not (0 <= wrong_cost < math.inf and 0 <= call_cost < math.inf):
        raise UsageError(
            f"wrong_cost and call_cost must be finite and at least 0, got {wrong_cost!r} and {call_cost!r}; "
            "both are in units of what a right answer is worth"
        )
