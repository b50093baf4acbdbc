"""Noise added to a half-denoised state: the kernel composes, keeps marginals, and never subtracts."""

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.images import Latent
from ponder.orchestrator.interpolants import LINEAR, VP, Tabulated
from ponder.strategies.renoising import renoised, renoising

TABLE = Tabulated(log_signal=(-0.05, -0.4, -1.1, -2.0))
PATHS = pytest.mark.parametrize("path", [LINEAR, VP, TABLE], ids=lambda path: path.kind)
TIMES = np.linspace(0.0, 0.99, 34)


@PATHS
def test_two_in_a_row_are_one(path) -> None:
    for s, m, f in [(0.0, 0.2, 0.7), (0.1, 0.12, 0.9), (0.3, 0.6, 0.95), (0.05, 0.5, 0.5)]:
        first, then, whole = renoising(path, s, m), renoising(path, m, f), renoising(path, s, f)
        assert then[0] * first[0] == pytest.approx(whole[0], rel=1e-12)
        assert then[0] ** 2 * first[1] + then[1] == pytest.approx(whole[1], rel=1e-12)


@PATHS
def test_it_only_ever_adds_noise_and_nothing_where_it_stays(path) -> None:
    for s in TIMES:
        assert renoising(path, s, s) == (1.0, 0.0)
        found = [renoising(path, s, f) for f in TIMES if f >= s]
        assert all(0 <= factor <= 1 and variance >= 0 for factor, variance in found)
        assert [variance for _, variance in found] == sorted(variance for _, variance in found)


@PATHS
def test_marginals_are_kept(path) -> None:
    """Of Gaussian data: ``a^2 v + s^2`` at either time; taking the state for data would keep too little of it."""
    for s, f in [(0.1, 0.4), (0.3, 0.31), (0.6, 0.9)]:
        factor, variance = renoising(path, s, f)
        before, after = (path.signal(t) ** 2 * 0.25 + path.noise(t) ** 2 for t in (s, f))
        assert factor**2 * before + variance == pytest.approx(after, rel=1e-12)
        assert abs(path.signal(f) ** 2 * before + path.noise(f) ** 2 - after) > 1e-4


def test_a_state_at_a_noisier_time() -> None:
    state = Latent.of(np.array([1.0, -2.0]), 0.5, np.array([3.0, 3.0]))
    found = renoised(LINEAR, state, 0.75, np.array([1.0, 1.0], np.float32))
    spread = (0.75**2 - 0.25 * 0.5**2) ** 0.5
    assert found.array == pytest.approx([0.5 + spread, -1.0 + spread], rel=1e-6)
    assert (found.t, found.velocity) == (0.75, b"")
    assert (renoised(LINEAR, state, 0.5, np.ones(2, np.float32)).array == state.array).all()


@pytest.mark.parametrize(("t", "to"), [(0.5, 0.4), (0.5, 1.1), (1.0, 1.0), (float("nan"), 0.5)])
def test_other_times_are_refused(t, to) -> None:
    with pytest.raises(UsageError, match="noise must be added from a time below 1 to a later one up to 1, got"):
        renoising(LINEAR, t, to)
