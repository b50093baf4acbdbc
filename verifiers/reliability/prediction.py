"""Prediction: what drawing until a verifier accepts will give on tasks to come, with intervals, from a pilot set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...orchestrator.errors import UsageError
from ...orchestrator.intervals import CONFIDENCE, FEW_EVENTS, SEED, Interval, ordered, resampled, tail_of, wilson
from .mixed_resampling_law import check_costs
from .reliability import Reliability, spread

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Curve:
    """What at most so many attempts give, each figure with its interval.

    Args:
        tries: the numbers of attempts.
        accuracy: the chance of a right answer, where no answer is none.
        precision: the chance that an answer which is given is right.
        value: a right answer counts 1, a wrong one minus its cost, none nothing; less what the draws cost.
        best: of the numbers of attempts, and none at all, the one of most value; the fewest where several are.
        ceiling: the precision of endlessly many attempts, each task on which any can be accepted counting alike.
    """

    tries: tuple[int, ...]
    accuracy: tuple[Interval, ...]
    precision: tuple[Interval, ...]
    value: tuple[Interval, ...]
    best: Interval
    ceiling: Interval


@dataclass(frozen=True, slots=True)
class _Outcomes:
    """For each sample of tasks (rows) and number of attempts (columns), the means of what happens."""

    right: Floats
    wrong: Floats
    draws: Floats
    ceiling: Floats

    def strayed(self, new: _Outcomes, old: _Outcomes) -> _Outcomes:
        """These, with as much added as `new` strays from `old`."""
        return _Outcomes(
            self.right + new.right - old.right,
            self.wrong + new.wrong - old.wrong,
            self.draws + new.draws - old.draws,
            self.ceiling + new.ceiling - old.ceiling,
        )

    @property
    def precision(self) -> Floats:
        answered = self.right + self.wrong
        return np.divide(self.right, answered, out=np.zeros_like(answered), where=answered > 0)

    def value(self, wrong_cost: float, call_cost: float) -> Floats:
        return self.right - wrong_cost * self.wrong - call_cost * self.draws


def predicted(
    pilot: Reliability,
    tries: Sequence[int],
    *,
    wrong_cost: float = 0.0,
    call_cost: float = 0.0,
    by: Literal["pools", "law"] = "pools",
    tasks: int | None = None,
    together: bool = False,
    confidence: float = CONFIDENCE,
) -> Curve:
    """The curve that a pilot set predicts for tasks like its own.

    By the ``pools`` nothing is assumed: each task's draws say without bias what attempts up to their number give. By
    the ``law`` (`Reliability.law`) attempts may go beyond what was drawn, but one completeness and one soundness are
    taken for all tasks, and where tasks differ in them the intervals hold the truth less often than they say. Intervals
    resample tasks; where fewer than five tasks' worth of the outcomes are of one kind, they allow for the tasks that
    were not seen, as Wilson's does.

    Args:
        pilot: draws whose truth is known.
        tries: numbers of attempts, rising.
        wrong_cost: what a wrong answer costs, in units of what a right one is worth.
        call_cost: what a draw and its judgement cost, in the same units.
        by: what predicts.
        tasks: how many other tasks the curve is to be measured on, with as many draws each; the intervals then hold
            what is measured there. None: they hold the mean over all such tasks.
        together: whether an interval is to hold at all `tries` at once.
        confidence: of the intervals.

    Raises:
        UsageError: `tries` do not rise from 1 or exceed a pool, tasks have too few draws for the law, or another
            argument is none that it says.
    """
    check_costs(wrong_cost, call_cost)
    _check(tries, by, tasks, confidence)
    count = len(pilot.pools)
    once, again = np.full((1, count), 1 / count), resampled(count)
    told = _by_pools if by == "pools" else _by_law
    point, samples = told(pilot, tries, once), told(pilot, tries, again)
    if tasks is not None:
        drawn = [min(each, *(pool.size for pool in pilot.pools)) for each in tries]
        new = _by_pools(pilot, drawn, resampled(count, tasks, seed=SEED + 1))
        samples = samples.strayed(new, _by_pools(pilot, drawn, once))
    unseen = count if tasks is None else max(1, count * tasks // (count + tasks))
    reach = _Reach(confidence, tail_of(count, confidence), unseen, together)
    value, values = point.value(wrong_cost, call_cost)[0], samples.value(wrong_cost, call_cost)
    ends = (-wrong_cost - call_cost * tries[-1], 1 - call_cost)
    return Curve(
        tuple(tries),
        reach.intervals(point.right[0], samples.right),
        reach.intervals(point.precision[0], samples.precision),
        reach.intervals(value, values, ends),
        reach.of_best(value, values, tries),
        reach.intervals(point.ceiling[0], samples.ceiling)[0],
    )


def _check(tries: Sequence[int], by: str, tasks: int | None, confidence: float) -> None:
    if not tries or tries[0] < 1 or sorted(set(tries)) != list(tries):
        raise UsageError(f"tries must rise, from 1 at least, got {list(tries)}; name each number of attempts once")
    if by not in ("pools", "law"):
        raise UsageError(f"by must be 'pools' or 'law', got {by!r}; name one of them")
    if tasks is not None and tasks < 1:
        raise UsageError(f"tasks must be 1 at least, got {tasks}; leave it out for the mean over all tasks")
    if not 0 < confidence < 1:
        raise UsageError(f"confidence must be between 0 and 1, got {confidence!r}; give a share such as 0.95")


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far intervals reach.

    Args:
        confidence: that they hold the truth.
        tail: the share of resamples beyond either end.
        tasks: of how many the mean varies as it does.
        together: whether all are to hold at once.
    """

    confidence: float
    tail: float
    tasks: int
    together: bool

    def intervals(self, point: Floats, samples: Floats, ends: tuple[float, float] = (0.0, 1.0)) -> tuple[Interval, ...]:
        """Of each number of attempts; `ends` are the least and the most that a task can give."""
        low, high = self._together(point, samples) if self.together else self._each(samples)
        return tuple(
            self._allowing(Interval(*three), ends)
            for three in zip(*(x.tolist() for x in (point, low, high)), strict=True)
        )

    def of_best(self, value: Floats, values: Floats, tries: Sequence[int]) -> Interval:
        """The number of attempts of most value, as a whole number."""
        numbers = np.array([0, *tries], float)
        best = numbers[np.argmax(np.pad(values, ((0, 0), (1, 0))), axis=1)]
        low, high = np.quantile(best, (self.tail, 1 - self.tail), method="nearest").tolist()
        return ordered(float(numbers[np.argmax([0.0, *value])]), low, high)

    def _each(self, samples: Floats) -> Floats:
        found: Floats = np.quantile(samples, (self.tail, 1 - self.tail), axis=0)
        return found

    def _together(self, point: Floats, samples: Floats) -> tuple[Floats, Floats]:
        """The band of as many standard errors as the farthest of all points strays in all but the tails."""
        error = samples.std(axis=0)
        strays = np.divide(np.abs(samples - point), error, out=np.zeros_like(samples), where=error > 0)
        errors = np.quantile(strays.max(axis=1), 1 - 2 * self.tail) * error
        return point - errors, point + errors

    def _allowing(self, found: Interval, ends: tuple[float, float]) -> Interval:
        """The interval within `ends`, wide enough for tasks that were not seen."""
        least, most = ends
        mean, low, high = (min(max(each, least), most) for each in (found.mean, found.low, found.high))
        share = (mean - least) / (most - least)
        if min(share, 1 - share) * self.tasks < FEW_EVENTS:
            unseen = wilson(share * self.tasks, self.tasks, self.confidence)
            low, high = min(low, least + unseen.low * (most - least)), max(high, least + unseen.high * (most - least))
        return ordered(mean, low, high)


def _by_pools(pilot: Reliability, tries: Sequence[int], weights: Floats) -> _Outcomes:
    """The weighted means over tasks of what their pools say."""
    right, wrong, draws = np.moveaxis(np.array([pool.first_accepted(tries) for pool in pilot.pools]), 2, 0)
    precise = weights @ [(pool.accepted_right / max(pool.accepted, 1), pool.accepted > 0) for pool in pilot.pools]
    return _Outcomes(weights @ right, weights @ wrong, weights @ draws, _share(precise))


def _by_law(pilot: Reliability, tries: Sequence[int], weights: Floats) -> _Outcomes:
    """The law of each sample of tasks, see `Reliability.law`."""
    chance = spread(*pilot.chances(), weights)
    rights = weights @ [(pool.accepted_right, pool.correct) for pool in pilot.pools]
    wrongs = weights @ [(pool.accepted_wrong, pool.size - pool.correct) for pool in pilot.pools]
    right, wrong = chance * _share(rights), (1 - chance) * _share(wrongs)
    accepts = right + wrong
    found = []
    for k in tries:
        reached = np.divide(1 - (1 - accepts) ** k, accepts, out=np.full_like(accepts, k), where=accepts > 0)
        found.append([np.sum(weights * each * reached, axis=1) for each in (right, wrong, np.ones_like(right))])
    precise = np.divide(right, accepts, out=np.zeros_like(right), where=accepts > 0)
    ceiling = _share(np.stack([np.sum(weights * each, axis=1) for each in (precise, accepts > 0)], axis=1))
    rights, wrongs, draws = np.moveaxis(np.array(found), 0, 2)
    return _Outcomes(rights, wrongs, draws, ceiling)


def _share(counts: Floats) -> Floats:
    """Of each row the first count over the second, 0 where that is none, as a column."""
    found: Floats = np.divide(counts[:, :1], counts[:, 1:], out=np.zeros((len(counts), 1)), where=counts[:, 1:] > 0)
    return found
