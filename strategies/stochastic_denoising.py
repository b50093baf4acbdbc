"""What strategies whose states go on by random steps have in common: how much noise, and how the last state ends."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..orchestrator.context import Context
from .denoising import DenoisingStrategy, Steps, times
from .denoising_steps import Way


class StochasticDenoising(DenoisingStrategy):
    """A strategy that makes images in random steps, and judges what is expected of each on the way.

    Args:
        diffusion: how much noise a step adds at time t: ``diffusion * t^2``; 0 adds none, so that all children of a
            state are the same.
        final_steps: evaluations from the last judged state to time 0, its own included; with 1 the data expected there
            (Tweedie's formula) is the image.
    """

    diffusion: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 3.0
    final_steps: Steps = 1

    @property
    def stops(self) -> tuple[int, ...]:
        """The places in the grid where states are judged; the last place before the end is always one."""
        return tuple(range(self.steps))

    @property
    def grid_times(self) -> tuple[float, ...]:
        """The grid: from 1 down to 0."""
        return (1.0, *times(self.steps, self.grid))

    @property
    def final(self) -> tuple[float, ...]:
        """The times from the last judged state to the end, evenly spaced."""
        start = self.grid_times[-2]
        return tuple(start * share for share in times(self.final_steps))

    @property
    def final_evaluations(self) -> int:
        """How many more it takes from the last judged state, where the velocity is known, to come to the end."""
        return self.final_steps - 1

    def way(self, ctx: Context) -> Way:
        """How states go."""
        return Way(self.flow(), self.path(ctx), self.grid_times, self.stops, self.diffusion, self.final)
