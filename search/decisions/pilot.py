"""Where a search begins: compositions of every price, as unlike one another as can be."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..problem import Floats

DRAWN = 20
"""Compositions drawn from a stratum of cost, of which the one farthest from those chosen is taken."""


def pilot(costs: Floats, features: Floats, levels: Iterable[float], each: int, rng: np.random.Generator) -> list[int]:
    """The numbers of compositions to begin with: for each level the cheapest, then one of each stratum of cost.

    Every level has its own strata, of equally many compositions, so that none begins blind; the cheapest is in, since
    it is the answer where all are as good. In the manner of CArBO's first design (Lee et al. 2020, arXiv 2003.10870),
    which trades price against distance; strata do the same for a level at a time.

    Args:
        costs: of a query, one a composition.
        features: one row a composition.
        levels: what a query may cost.
        each: strata a level.
        rng: all chance in the choice.
    """
    chosen: list[int] = []
    for level in levels:
        affordable = np.flatnonzero(costs <= level)
        order = affordable[np.argsort(costs[affordable], kind="stable")]
        chosen += order[:1].tolist()
        for stratum in np.array_split(order, min(each, len(order)) or 1):
            drawn = rng.permutation(stratum)[:DRAWN]
            if len(drawn):
                gaps = np.square(features[drawn][:, None] - features[chosen]).sum(axis=2).min(axis=1)
                chosen.append(int(drawn[np.argmax(gaps)]))
    return list(dict.fromkeys(chosen))
