"""Means of compositions, freed of which items they were measured on."""

from __future__ import annotations

import numpy as np
import pytest

from ponder.search.decisions.evidence import Evidence
from ponder.search.decisions.item_effects import composition_means
from ponder.search.problem import Row


def evidence(table: np.ndarray, replicate: int = 0) -> Evidence:
    """One composition a row; NaN where it was not measured."""
    found = Evidence(table.shape[1])
    for composition, values in enumerate(table):
        items = np.flatnonzero(~np.isnan(values))
        found.add([Row(composition, replicate, items, values[items], np.ones(len(items)))])
    return found


def test_compositions_on_different_items_are_compared() -> None:
    skill, ease = np.array([0.5, 0.6, 0.4]), np.array([0.3, 0.1, -0.1, -0.3])
    table = skill[:, None] + ease
    table[1, 2:] = np.nan  # seen on the easy half alone
    table[2, 0] = np.nan
    means = composition_means(evidence(table))
    np.testing.assert_allclose(means.means, skill, atol=0.01)
    assert means.items.tolist() == [4, 2, 3]


def test_a_whole_table_gives_plain_means_and_their_noise() -> None:
    rng = np.random.default_rng(0)
    table = (rng.random((40, 400)) < 0.7).astype(float)
    means = composition_means(evidence(table))
    np.testing.assert_allclose(means.means, table.mean(axis=1))
    np.testing.assert_allclose(means.noise, 0.21 / 400, rtol=0.2)
    assert means.scatter == pytest.approx(1.0, abs=0.05)
    assert abs(means.excess) < 3  # all are as good


def test_differences_beyond_noise_are_told() -> None:
    rng = np.random.default_rng(1)
    table = (rng.random((40, 400)) < np.linspace(0.6, 0.8, 40)[:, None]).astype(float)
    assert composition_means(evidence(table)).excess > 10


def test_one_composition_on_one_item_has_finite_noise() -> None:
    means = composition_means(evidence(np.array([[1.0]])))
    assert means.means.tolist() == [1.0] and 0 < means.noise[0] < 1 and means.excess == 0.0
