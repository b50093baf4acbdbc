"""Never more requests in any minute than a key may begin."""

from __future__ import annotations

import random

import pytest

from ponder.orchestrator.server.pace import Pace


@pytest.mark.parametrize(
    ("rate", "most", "window_s"), [(5.0, 5, 60.0), (1.0, 1, 60.0), (1.5, 1, 40.0), (0.25, 1, 240.0)]
)
def test_no_window_holds_more(rate: float, most: int, window_s: float) -> None:
    now, rng, began = 0.0, random.Random(rate), []
    pace = Pace(rate, lambda: now)
    for _ in range(3000):
        wait_s = pace.wait_s()
        if wait_s == 0.0:
            pace.note()
            began.append(now)
        now += rng.choice([0.0, 1.0, rng.expovariate(1 / 30), wait_s])
    assert len(began) > 500
    assert all(later - earlier >= window_s - 1e-6 for earlier, later in zip(began, began[most:], strict=False))


def test_the_wait_is_honest() -> None:
    now = 0.0
    pace = Pace(2, lambda: now)
    pace.note()
    now = 7.0
    pace.note()
    now = 10.0
    assert pace.wait_s() == 50.0
    now = 60.0
    assert pace.wait_s() == 0.0
    pace.note()
    assert pace.wait_s() == 7.0
