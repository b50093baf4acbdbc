"""Checks of how long a strategy or a verifier makes one wait: how many calls are made one after another."""

from __future__ import annotations

from collections.abc import Sequence

from ..orchestrator.strategy import Strategy
from ..orchestrator.verifier import Verifier
from .bench import Bench
from .budget_checks import circumstances
from .judged import Judged
from .moods import in_mood
from .require import require
from .scene import Scene, estimated, play


async def keeps_to_its_critical_path(strategy: Strategy) -> None:
    """No more calls are made one after another than the estimate says, however the draws turn out.

    It cannot be told where a strategy waits for something else than engines, such as a process, while calls are held.
    """
    await _keeps(strategy, circumstances(Scene()))
    await _keeps(in_mood(strategy, "abstains"), [Scene()], of=strategy)


async def judges_within_its_depth(verifier: Verifier, bench: Bench = Bench()) -> None:
    """To judge few or many candidates no more calls are made one after another than `depth` says."""
    candidates = await bench.candidates(verifier)
    for size in range(1, len(candidates) + 1):
        await _keeps(Judged.of(verifier, candidates[:size]), [bench.scene])


async def _keeps(strategy: Strategy, scenes: Sequence[Scene], of: Strategy | None = None) -> None:
    most = (await estimated(of or strategy, scenes[0])).critical_path
    for scene in scenes:
        found = await sequence(strategy, scene)
        require(found <= most, f"at most {most} calls must be made one after another, as estimated", found)


async def sequence(strategy: Strategy, scene: Scene = Scene()) -> int:
    """How many calls a run makes one after another."""
    return (await play(strategy, scene.behaving(in_waves=True))).seen.waves.count
