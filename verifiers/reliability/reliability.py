"""Reliability: how far a verifier can be trusted, measured on draws whose truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from ...orchestrator.errors import UsageError
from ...orchestrator.intervals import FEW_EVENTS, Interval, accuracy_interval, ordered, resampled, tail_of, wilson
from .judged_pool import JudgedPool
from .labels import check_threshold, score_of, truth_of
from .mixed_resampling_law import MixedResamplingLaw
from .resampling_law import ResamplingLaw

Floats = NDArray[np.float64]


class Judged(NamedTuple):
    """One draw of a labelled set.

    Args:
        task: which task it is of; draws of one task stand together in every interval.
        is_right: the truth.
        score: what the verifier said; 1.0 and 0.0 for one that accepts or rejects, None where it cannot tell.
    """

    task: str
    is_right: bool
    score: float | None


@dataclass(frozen=True, slots=True)
class Rate(Interval):
    """A share with its interval, and how much it rests on: draws, and the tasks they are of."""

    draws: int
    tasks: int


@dataclass(frozen=True, slots=True)
class Reliability:
    """What is known of a verifier from one judged pool a task, the tasks a sample of those to come.

    A draw on which it cannot tell is not accepted, so it counts against completeness and for soundness; `untold` says
    how many there are. Draws of one task are alike, so every interval resamples tasks, never draws; where fewer than
    five tasks' worth of draws are on one side it is Wilson's, of as many trials as there are tasks (by Kish's count,
    where tasks differ in size).

    Args:
        pools: one a task.

    >>> draws = [Judged("a", True, 0.9), Judged("a", False, 0.7), Judged("b", False, 0.1), Judged("b", True, None)]
    >>> found = Reliability.of(draws, threshold=0.5)
    >>> found.completeness.mean, found.soundness.mean, found.untold.mean, found.completeness.tasks
    (0.5, 0.5, 0.25, 2)
    """

    pools: tuple[JudgedPool, ...]

    def __post_init__(self) -> None:
        if not self.pools:
            raise UsageError("reliability needs a judged pool of one task at least, got none; judge some draws")

    @classmethod
    def of(cls, draws: Iterable[Judged], threshold: float = 0.5) -> Self:
        """The pools of labelled draws, tasks in the order in which they come.

        Args:
            draws: judged draws, of any tasks in any order.
            threshold: the least score that accepts, as in `FirstAccepted`.

        Raises:
            UsageError: a truth is neither True nor False, a score no number, or the threshold not finite.
        """
        check_threshold(threshold)
        tasks: dict[str, Counter[tuple[str, bool]]] = {}
        for task, is_right, told in draws:
            score = score_of(told)
            said = "untold" if score is None else "accepted" if score >= threshold else "rejected"
            tasks.setdefault(task, Counter())[said, truth_of(is_right)] += 1
        return cls(
            tuple(
                JudgedPool(
                    *(
                        counts[verdict, right]
                        for verdict in ("accepted", "rejected", "untold")
                        for right in (True, False)
                    )
                )
                for counts in tasks.values()
            )
        )

    @property
    def completeness(self) -> Rate:
        """The chance that a right draw is accepted.

        Raises:
            UsageError: no draw is right.
        """
        return _rate([pool.accepted_right for pool in self.pools], [pool.correct for pool in self.pools], "right")

    @property
    def soundness(self) -> Rate:
        """The chance that a wrong draw is not accepted.

        Raises:
            UsageError: no draw is wrong.
        """
        wrong = [pool.size - pool.correct for pool in self.pools]
        kept_out = [pool.rejected_wrong + pool.untold_wrong for pool in self.pools]
        return _rate(kept_out, wrong, "wrong")

    @property
    def untold(self) -> Rate:
        """The share of draws on which the verifier cannot tell."""
        untold = [pool.untold_right + pool.untold_wrong for pool in self.pools]
        return _rate(untold, [pool.size for pool in self.pools], "")

    @property
    def correct(self) -> Rate:
        """The chance that a single draw is right, each task counting alike."""
        return self._mean([pool.correct / pool.size for pool in self.pools], [pool.size for pool in self.pools])

    @property
    def ceiling(self) -> Rate:
        """The chance that an accepted answer is right, each task counting alike: no number of attempts does better.

        Of the tasks on which a draw was accepted. Each task's share of right among its accepted draws is unbiased.

        Raises:
            UsageError: no draw is accepted.
        """
        told = [pool for pool in self.pools if pool.accepted]
        if not told:
            raise UsageError("the ceiling needs an accepted draw, got none; judge more draws, or lower the threshold")
        return self._mean([pool.accepted_right / pool.accepted for pool in told], [pool.accepted for pool in told])

    def law(self) -> MixedResamplingLaw:
        """The law in which each task is a type of its own, all with this completeness and this soundness.

        The shares of right draws of a few draws a task differ more than the tasks do, and so promise an end to the
        gain of attempts where there is none. They are drawn towards their mean until they vary as much as the
        unbiased estimate says that tasks do (Louis 1984, "Estimating a population of parameter values using Bayes and
        empirical Bayes methods"). Types that are equal are one.

        Raises:
            UsageError: a task has a single draw, which cannot tell how much of the difference is chance.
        """
        types = Counter(round(float(chance), 9) for chance in spread(*self.chances())[0])
        accepts_correct = self.completeness.mean if any(pool.correct for pool in self.pools) else 0.0
        accepts_wrong = 1 - self.soundness.mean if any(pool.size > pool.correct for pool in self.pools) else 0.0
        return MixedResamplingLaw(
            tuple(ResamplingLaw(chance, accepts_correct, accepts_wrong) for chance in types),
            tuple(count / len(self.pools) for count in types.values()),
        )

    def chances(self) -> tuple[Floats, Floats]:
        """Of each task the share of right draws, and the draws."""
        sizes = np.array([pool.size for pool in self.pools], float)
        return np.array([pool.correct for pool in self.pools]) / sizes, sizes

    def _mean(self, values: list[float], draws: list[int]) -> Rate:
        found = accuracy_interval(values)
        return Rate(found.mean, found.low, found.high, sum(draws), len(draws))


def spread(shares: Floats, sizes: Floats, weights: Floats | None = None) -> Floats:
    """Each task's chance to be right, in samples of tasks: one row a sample, varying as much as tasks do.

    Args:
        shares: of right draws, one a task.
        sizes: draws, one a task.
        weights: of each task in each sample; None takes all tasks alike, once.

    Raises:
        UsageError: a task has a single draw.
    """
    if sizes.min() < 2:
        raise UsageError("tasks must have two draws each to tell how much they differ, got one; draw more of each task")
    weights = np.full((1, len(shares)), 1 / len(shares)) if weights is None else weights
    mean = weights @ shares
    seen = np.maximum(weights @ shares**2 - mean**2, 0) * len(shares) / max(len(shares) - 1, 1)
    by_chance = weights @ (shares * (1 - shares) / (sizes - 1))
    kept = np.sqrt(np.divide(np.maximum(seen - by_chance, 0), seen, out=np.zeros_like(seen), where=seen > 0))
    drawn_in: Floats = mean[:, None] + kept[:, None] * (shares - mean[:, None])
    return drawn_in.clip(0, 1)


def _rate(events: list[int], trials: list[int], what: str) -> Rate:
    """Events over trials, summed over tasks, with an interval over tasks."""
    of = np.array([(event, trial) for event, trial in zip(events, trials, strict=True) if trial], float)
    if not len(of):
        raise UsageError(f"a rate over the {what} draws needs one, got none; judge more draws")
    event, trial = of.T
    share, tasks = float(event.sum() / trial.sum()), len(of)
    alike = max(1, int(trial.sum() ** 2 / (trial**2).sum()))
    if min(share, 1 - share) * alike < FEW_EVENTS:
        found = wilson(share * alike, alike)
    else:
        weights = resampled(tasks)
        found = ordered(
            share, *np.quantile((weights @ event) / (weights @ trial), (t := tail_of(tasks), 1 - t)).tolist()
        )
    return Rate(found.mean, found.low, found.high, int(trial.sum()), tasks)
