"""Grids: every combination once, and no more than can be meant."""

import pytest

from ponder.orchestrator.errors import UsageError
from ponder.search.grid import Grid, expand
from ponder.strategies import Sample, SelfConsistency

SAMPLE = {"kind": "sample"}


def test_the_last_knob_varies_fastest() -> None:
    grid = Grid(strategy=SAMPLE, over={"temperature": [0.5, 1.0], "n": [1, 2, 3]})
    assert [(s.temperature, s.n) for s in grid.compositions()] == [(t, n) for t in (0.5, 1.0) for n in (1, 2, 3)]
    assert Grid(strategy=SAMPLE).compositions() == [Sample()]


def test_grids_are_laid_one_after_the_other_and_each_composition_is_kept_once() -> None:
    one = Grid(strategy=SAMPLE, over={"n": [1, 2]})
    other = Grid(strategy={"kind": "self_consistency", "n": 2})
    assert expand([one, other, one]) == [Sample(n=1), Sample(n=2), SelfConsistency(n=2)]


@pytest.mark.parametrize(
    ("grids", "problem"),
    [
        ([], "1 to 10000 compositions, got 0; change its grids"),
        ([Grid(strategy=SAMPLE, over={"n": []})], "got 0"),
        ([Grid(strategy={"kind": "smaple"})], "did you mean 'sample'"),
        ([Grid(strategy=SAMPLE, over={"n": [1, 0]})], "strategy 'sample' is not valid: n: .*got 0"),
        ([Grid(strategy=SAMPLE, over={"width": [1]})], "width: Extra inputs are not permitted"),
        ([Grid(strategy=SAMPLE, over={f"knob{i}": range(100) for i in range(6)})], "at most 10000 combinations"),
        ([Grid(strategy=SAMPLE, over={"n": range(1, 4000), "temperature": [i / 10]}) for i in range(3)], "got 11997"),
    ],
)  # fmt: skip
def test_grids_that_mean_nothing_are_refused(grids, problem) -> None:
    with pytest.raises(UsageError, match=problem):
        expand(grids)
