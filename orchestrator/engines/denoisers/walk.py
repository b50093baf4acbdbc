"""The way of some latents from noise towards data, as a generator that asks for velocities."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from ...denoising import Denoising, Passage
from ...images import slopes, stacked
from ...interpolants import Conversion, Interpolant

State = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where velocities are wanted: states in the denoiser's own interpolant, all at one time."""

    x: State
    t: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a walk has ended: states, the velocities there where they were wanted, and the data expected there."""

    x: State
    velocity: State | None
    data: State


Walk = Generator[Place, State, Arrival]


def walk(passages: list[Passage], facts: Denoising) -> Walk:
    """The way of passages that differ in their latents and prompts alone."""
    first = passages[0]
    path = first.flow.interpolant or facts.interpolant
    seen = Conversion(facts.interpolant, path)
    latents = [passage.latent for passage in passages]
    x: State = stacked(latents)
    velocity: State | None = slopes(latents) if first.latent.velocity else None
    t = first.latent.t
    for to in first.times:
        if velocity is None:
            velocity = yield from _velocity(x, t, seen)
        x = yield from _stepped(x, velocity, (t, to), seen, first.flow.solver)
        velocity, t = None, to
    if first.looks and t > 0.0 and velocity is None:
        velocity = yield from _velocity(x, t, seen)
    data = path.data(x, velocity, t) if velocity is not None and t > 0.0 else x
    return Arrival(x, velocity if first.looks else None, data)


def _velocity(x: State, t: float, seen: Conversion) -> Generator[Place, State, State]:
    """The velocity at states of the walk's interpolant, asked in the denoiser's."""
    original = x / seen.scale(t)
    found: State = seen.velocity(original, (yield Place(original, seen.time(t))), t)
    return found


def _stepped(
    x: State, velocity: State, times: tuple[float, float], seen: Conversion, solver: str
) -> Generator[Place, State, State]:
    """The states after one step of the ordinary differential equation; at time 0, the data expected before it.

    Euler's step to 0 would leave noise where the noise vanishes with an infinite slope, as it does but for linear ones.
    """
    t, to = times
    if to == 0.0:
        data: State = seen.new.data(x, velocity, t)
        return data
    if solver == "ddim":
        return ddim_step(seen.new, x, velocity, times)
    there: State = x + (to - t) * velocity
    if solver == "heun":
        later = yield from _velocity(there, to, seen)
        there = x + (to - t) * (velocity + later) / 2
    return there


def ddim_step(path: Interpolant, x: State, velocity: State, times: tuple[float, float]) -> State:
    """The mixture, at the second time, of the data and the noise expected at the first."""
    t, to = times
    found: State = path.mixed(path.data(x, velocity, t), path.noise_in(x, velocity, t), to)
    return found
