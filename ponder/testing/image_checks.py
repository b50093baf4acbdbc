"""A check that whoever asks for images is given whole ones."""

from __future__ import annotations

from ..orchestrator.budget import Budget
from ..orchestrator.strategy import Strategy
from .budget_checks import LOSSES, NFE, every_budget
from .failure_checks import DEADLINE_S
from .require import require
from .scene import Played, Scene, estimated, play

PLACES = 8
"""In how many places of a run its engines hang or die, spread evenly."""


async def returns_whole_images(strategy: Strategy) -> None:
    """Whatever ends a run, each image that it returns has come to its end: none is half-denoised.

    The end is where the latents of a run that nothing disturbs have come last. A strategy that makes no images has
    nothing to keep.
    """
    whole = await play(strategy)
    ends = {candidate.latent.t for candidate in whole.result.candidates if candidate.latent is not None}
    if not ends:
        return
    require(ends == {min(whole.seen.ends)}, "images must have come as far as latents come", (ends, whole.seen.ends))
    async for at in every_budget(strategy, NFE, (await estimated(strategy)).most.nfe):
        if at.played is not None:
            _check_whole(at.played, ends, f"at nfe = {at.limit}")
    calls = whole.seen.calls
    for number in sorted({calls * i // PLACES for i in range(PLACES)}):
        hung = Scene(budget=Budget(seconds=DEADLINE_S / PLACES)).behaving(serves=number)
        _check_whole(await play(strategy, hung), ends, f"with {number} of {calls} calls answered in time")
        dead = Scene().behaving(loses=range(number, calls))
        _check_whole(await play(strategy, dead), ends, f"with calls lost from {number} of {calls} on")
    for seed in range(PLACES):
        _check_whole(await play(strategy, Scene(seed=seed, faults=LOSSES)), ends, f"with seed {seed} and {LOSSES!r}")


def _check_whole(played: Played, ends: set[float], where: str) -> None:
    for candidate in played.result.candidates:
        came = candidate.latent.t if candidate.latent is not None else None
        is_whole = came in ends and candidate.image is not None and candidate.finish.is_complete
        require(is_whole, f"{where}, an image must be whole", f"one at time {came}, {candidate.finish}")
