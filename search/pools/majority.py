"""The expected outcome of a majority vote of N for every N at once, exactly, from one pool of draws of a query.

Which answer leads a subset depends on how many of its draws have each answer, and on nothing else. So the mean over all
subsets is a sum over the leader's count of products of polynomials, one an answer, in the size of the subset.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .pool import Pool

Floats = NDArray[np.float64]
MOST_DRAWS = 64
"""Draws of the largest pool; time grows with their third power and with the answers, and is 2 to 5 ms for 64."""
Answers = tuple[tuple[int, float], ...]


def majority(pool: Pool) -> Floats:
    """The expected label of the majority vote of 1, 2, ... draws, up to all of them, over all subsets of the pool.

    As in the strategies: tied answers count as 1/|tied| each, abstainers never vote, where all abstain the vote is
    wrong, and an answer whose draws have several labels is credited with their mean.

    Args:
        pool: at most `MOST_DRAWS` draws, or it takes long.

    >>> from ponder.search.pools.pool import Draw
    >>> majority(Pool("q", "", (Draw("7", 1), Draw("7", 1), Draw("9", 0)))).round(3).tolist()
    [0.667, 0.667, 1.0]
    """
    labels: dict[str, list[float]] = {}
    for draw in pool.draws:
        if draw.answer is not None:
            labels.setdefault(draw.answer, []).append(draw.correct)
    answers = sorted((len(found), math.fsum(found) / len(found)) for found in labels.values())
    return _majority(len(pool), tuple(answers))


@lru_cache(maxsize=4096)
def _majority(draws: int, answers: Answers) -> Floats:
    """The curve of a pool where each answer has so many draws, of so high a mean label.

    `ways[c, t, n]` counts the subsets of n draws in which no answer so far has more than c of them and t have c;
    `credit` adds up, over the same subsets, the labels of those t.
    """
    most = max((count for count, _ in answers), default=0)
    leads = np.arange(1, most + 1)
    ways = np.zeros((most, len(answers) + 1, draws + 1))
    ways[:, 0, : draws - _voters(answers) + 1] = _binomials(draws - _voters(answers))
    credit = np.zeros_like(ways)
    for count, label in answers:
        ways, credit = _with_answer(ways, credit, leads, count, label)
    shares = credit[:, 1:, 1:] / np.arange(1, len(answers) + 1)[:, None]
    curve: Floats = shares.sum(axis=(0, 1)) / _binomials(draws)[1:]
    curve.flags.writeable = False
    return curve


def _with_answer(
    ways: Floats, credit: Floats, leads: NDArray[np.intp], count: int, label: float
) -> tuple[Floats, Floats]:
    """The counts after one more answer, of `count` draws: it has fewer than the lead, or just as many."""
    size = ways.shape[2]
    new_ways, new_credit = np.zeros_like(ways), np.zeros_like(credit)
    for j, times in enumerate(_binomials(count)):
        behind = leads > j
        new_ways[behind, :, j:] += times * ways[behind, :, : size - j]
        new_credit[behind, :, j:] += times * credit[behind, :, : size - j]
        if 0 < j <= len(leads):
            new_ways[j - 1, 1:, j:] += times * ways[j - 1, :-1, : size - j]
            new_credit[j - 1, 1:, j:] += times * (credit[j - 1, :-1, : size - j] + label * ways[j - 1, :-1, : size - j])
    return new_ways, new_credit


def _voters(answers: Answers) -> int:
    return sum(count for count, _ in answers)


def _binomials(n: int) -> Floats:
    return np.array([math.comb(n, k) for k in range(n + 1)], dtype=np.float64)
