import asyncio
import copy

from soak_serve import LIMITS, RATE, leaks, soak

SECONDS, WARM_S, QUESTIONS = 16.0, 8.0, 200
MOST_MB = 40.0
"""More than an hour may take: so soon, what a busy machine leaves waiting still adds to what is kept."""


def test_a_short_soak_leaks_nothing_and_what_would_leak_is_told() -> None:
    found = asyncio.run(soak(SECONDS, WARM_S, QUESTIONS))
    assert found["grown"]["memory_mb"] < MOST_MB
    found["grown"] |= {"memory_mb": 0.0, "late_memory_mb": 0.0}
    assert leaks(found) == []
    assert sum(found["outcomes"].values()) == SECONDS * RATE
    assert {outcome.split()[0] for outcome in found["outcomes"]} >= {"whole", "stream", "refused", "again", "left"}
    for name, limit in LIMITS.items():
        leaking = copy.deepcopy(found)
        leaking["grown"][name] = limit + 1
        assert leaks(leaking) == [f"{name} +{limit + 1:g}"]
    found["outcomes"]["whole 500"] = 2
    assert leaks(found) == ["2 x whole 500"]
