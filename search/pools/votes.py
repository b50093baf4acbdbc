"""The expected outcome of a vote of N, from one pool of M >= N draws of a query.

A majority vote is exact, see `majority`. A weighted vote has no such form, so the mean over subsets of N draws is taken
literally: over all of them where they are few, else over a fixed number of random ones whose seed is the query and N,
so that every run and every setting sees the same subsets. So is a majority vote from a very large pool.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ...orchestrator.canonical import digest
from .majority import MOST_DRAWS, majority
from .pool import Draw, Pool, check_n

SUBSETS = 512
TIE = 1e-12  # sums of weights closer than this, relatively, are the same sum added in another order

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


def vote(pool: Pool, n: int, *, seed: int = 0, subsets: int = SUBSETS) -> float:
    """The expected label of the majority vote of `n` draws (Wang et al. 2023).

    The strategy breaks a tie of counts by the first index; draws are exchangeable, so each of the tied answers
    is as likely to have it and counts as 1/|tied|. Abstainers never vote, and where all abstain the vote is wrong.
    Draws of one answer are taken to share one label; where they do not, the answer is credited with their mean.

    Args:
        pool: the draws.
        n: voters, 1 to the size of the pool.
        seed: of the random subsets of a very large pool, with the query's id and `n`.
        subsets: of these, subsets averaged over.

    Raises:
        UsageError: `n` is not between 1 and the size of the pool.
    """
    check_n(len(pool), n)
    if len(pool) <= MOST_DRAWS:
        return float(majority(pool)[n - 1])
    return _outcome(_Ballot.of(pool, is_weighted=False), _masks(pool, n, seed, subsets))


def weighted_vote(pool: Pool, n: int, *, seed: int = 0, subsets: int = SUBSETS) -> float:
    """The expected label of the vote of `n` draws weighted by their scores (Li et al. 2023).

    As in the strategies: the sum of weights decides, then the count, then the best score, then the first index
    (1/|tied| each, as in `vote`). A missing or negative score weighs nothing; where all weigh nothing the count
    decides.

    Args:
        pool: the draws.
        n: voters, 1 to the size of the pool.
        seed: of the random subsets, with the query's id and `n`.
        subsets: subsets averaged over: all where there are no more than this, else as many random ones.

    Raises:
        UsageError: `n` is not between 1 and the size of the pool.
    """
    return _outcome(_Ballot.of(pool, is_weighted=True), _masks(pool, n, seed, subsets))


@dataclass(frozen=True, slots=True)
class _Ballot:
    """The draws in a canonical order, those that answer first and answer by answer.

    `starts` holds where each answer begins among the first `voters` draws; `ranks` the place of each score
    (0 for none), so that scores compare as whole numbers.
    """

    voters: int
    starts: NDArray[np.intp]
    labels: Floats
    weights: Floats
    ranks: NDArray[np.int64]

    @classmethod
    def of(cls, pool: Pool, *, is_weighted: bool) -> Self:
        voters = [draw for draw in sorted(pool.draws, key=_canonical) if draw.answer is not None]
        answers = [draw.answer for draw in voters]
        starts = [i for i, answer in enumerate(answers) if i == 0 or answer != answers[i - 1]]
        scores = [draw.score if is_weighted else None for draw in voters]
        place = {score: rank for rank, score in enumerate(sorted({s for s in scores if s is not None}), start=1)}
        return cls(
            len(voters),
            np.array(starts, dtype=np.intp),
            np.array([draw.correct for draw in voters], dtype=np.float64),
            np.array([max(0.0, score or 0.0) if is_weighted else 1.0 for score in scores], dtype=np.float64),
            np.array([0 if score is None else place[score] for score in scores], dtype=np.int64),
        )


def _outcome(ballot: _Ballot, masks: Bools) -> float:
    """The mean over subsets (rows of `masks`) of the label of the answer that wins."""
    if not ballot.voters:
        return 0.0
    chosen = masks[:, : ballot.voters]
    counts = np.add.reduceat(chosen, ballot.starts, axis=1, dtype=np.float64)
    weights = np.add.reduceat(chosen * ballot.weights, ballot.starts, axis=1)
    labels = np.add.reduceat(chosen * ballot.labels, ballot.starts, axis=1)
    heaviest = weights.max(axis=1, keepdims=True)
    leads = (counts > 0) & (weights >= heaviest * (1 - TIE))
    leads &= counts == np.where(leads, counts, 0).max(axis=1, keepdims=True)
    tied = np.flatnonzero(leads.sum(axis=1) > 1)
    if tied.size and ballot.ranks.any():
        best = np.maximum.reduceat(chosen[tied] * ballot.ranks, ballot.starts, axis=1)
        leads[tied] &= best == np.where(leads[tied], best, -1).max(axis=1, keepdims=True)
    credit = np.divide(labels, counts, out=np.zeros_like(labels), where=leads)
    return float((credit.sum(axis=1) / np.maximum(leads.sum(axis=1), 1)).mean())


def _masks(pool: Pool, n: int, seed: int, subsets: int) -> Bools:
    m = len(pool)
    check_n(m, n)
    if n == 1 or math.comb(m, n) <= subsets:
        return _all_subsets(m, n)
    return _random_subsets(pool.query_id, m, n, seed, subsets)


@lru_cache(maxsize=64)
def _all_subsets(m: int, n: int) -> Bools:
    chosen = np.array(list(combinations(range(m), n)), dtype=np.intp)
    return _as_masks(chosen, m)


@lru_cache(maxsize=1024)
def _random_subsets(query_id: str, m: int, n: int, seed: int, subsets: int) -> Bools:
    rng = np.random.default_rng(int.from_bytes(digest("subsets", query_id, n, seed), "big"))
    return _as_masks(np.argpartition(rng.random((subsets, m)), n - 1, axis=1)[:, :n], m)


def _as_masks(chosen: NDArray[np.intp], m: int) -> Bools:
    masks = np.zeros((len(chosen), m), dtype=np.bool_)
    np.put_along_axis(masks, chosen, True, axis=1)
    masks.flags.writeable = False
    return masks


def _canonical(draw: Draw) -> tuple[bool, str, float, float]:
    """An order that does not depend on how the draws came: random subsets then fall alike on any permutation."""
    return (draw.answer is None, draw.answer or "", -math.inf if draw.score is None else draw.score, draw.correct)
