"""A mixture of Gaussians as a denoiser, in closed form, so that every sampler can be held to the truth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ...asked_class import number_in
from ...canonical import stable_id
from ...denoising import Denoising
from ...errors import EngineRefused
from ...images import CHANNELS, Array, Pixels
from ...interpolants import LINEAR, AnyInterpolant
from .denoiser import Condition, DenoiserSpec, Times, shown

Finite = Annotated[float, Field(allow_inf_nan=False)]


class Mixture(DenoiserSpec):
    """Gaussians of one variance around several means, as a denoiser: what a perfect model of them would tell.

    A prompt that holds a number asks for that component, counted from 0; one without, and the empty prompt, for any by
    weight. Guidance w moves the velocity from that of any to that of the component, and beyond for w above 1.

    Args:
        means: of the components, each in C order of `shape`.
        variance: of every coordinate around its mean.
        weights: of the components; empty weighs all alike.
        shape: of the latents: height, width and channels, which are shown as they are, -1 black and 1 white.
        interpolant: that it works in.
        batch: rows at once.
    """

    kind: Literal["mixture"] = "mixture"
    means: Annotated[tuple[tuple[Finite, ...], ...], Field(min_length=1)]
    variance: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.01
    weights: tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...] = ()
    shape: tuple[int, int, int]
    interpolant: AnyInterpolant = LINEAR
    batch: Annotated[int, Field(ge=1)] = 4096

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if min(self.shape) < 1 or self.shape[2] not in CHANNELS:
            raise ValueError(
                "a shape must be height and width of 1 at least, and 1 channel (grey) or 3 (red, green, blue), got "
                f"{self.shape}; give that of an image"
            )
        size = int(np.prod(self.shape))
        if any(len(mean) != size for mean in self.means) or len(self.weights) not in (0, len(self.means)):
            raise ValueError(
                f"each mean must have {size} numbers, for the shape {self.shape}, and each its weight, got "
                f"{[len(mean) for mean in self.means]} numbers and {len(self.weights)} weights"
            )
        return self

    def load(self) -> MixtureDenoiser:
        """The denoiser."""
        return MixtureDenoiser(self)


class MixtureDenoiser:
    """The denoiser of a `Mixture`, in the precision of what it is given."""

    def __init__(self, spec: Mixture) -> None:
        self.spec = spec
        self.means = np.array(spec.means)
        self.weights = np.array(spec.weights or (1.0,) * len(spec.means))

    @cached_property
    def identity(self) -> str:
        return f"mixture:{stable_id(self.spec.model_dump(exclude={'batch'}))}"

    @cached_property
    def facts(self) -> Denoising:
        height, width, _ = shape = self.spec.shape
        return Denoising(shape=shape, interpolant=self.spec.interpolant, batch=self.spec.batch, size=(width, height))

    @property
    def row_flops(self) -> int:
        """Some six operations a coordinate of each component."""
        return 6 * self.means.size

    decoding_flops = 0

    def velocity(self, x: Array, t: Times, conditions: Sequence[Condition]) -> Array:
        wanted = [self._component(condition.prompt) for condition in conditions]
        guidance = np.array([condition.guidance for condition in conditions])[:, None]
        flat = x.reshape(len(x), -1).astype(np.float64)
        told = self._velocity(flat, t, wanted)
        if (guidance != 1.0).any():
            anything = self._velocity(flat, t, [None] * len(x))
            told = anything + guidance * (told - anything)
        found: Array = told.reshape(x.shape).astype(x.dtype)
        return found

    def own(self, x: Array, steps: int, conditions: Sequence[Condition]) -> Array:
        raise EngineRefused("a mixture has no sampler of its own; use solver 'euler'")

    def decode(self, data: Array) -> Pixels:
        return shown(data)

    def expected_data(self, x: NDArray[np.float64], t: Times, wanted: Sequence[int | None]) -> NDArray[np.float64]:
        """The data expected at each state: of each component ``m + v a (x - a m) / (v a^2 + s^2)``, by its chance."""
        spec = self.spec
        a, s = spec.interpolant.signal(t)[:, None], spec.interpolant.noise(t)[:, None]
        spread = spec.variance * a**2 + s**2
        gaps = x[:, None, :] - a[:, :, None] * self.means
        chances = np.log(self.weights) - 0.5 * np.sum(gaps**2, axis=2) / spread
        for row, component in enumerate(wanted):
            if component is not None:
                chances[row] = np.where(np.arange(len(self.means)) == component, 0.0, -np.inf)
        chances = np.exp(chances - chances.max(axis=1, keepdims=True))
        chances /= chances.sum(axis=1, keepdims=True)
        each = self.means + (spec.variance * a / spread)[:, :, None] * gaps
        found: NDArray[np.float64] = np.einsum("nc,ncd->nd", chances, each)
        return found

    def _velocity(self, x: NDArray[np.float64], t: Times, wanted: Sequence[int | None]) -> NDArray[np.float64]:
        path, times = self.spec.interpolant, t[:, None]
        data = self.expected_data(x, t, wanted)
        noise = (x - path.signal(times) * data) / path.noise(times)
        found: NDArray[np.float64] = path.velocity(data, noise, times)
        return found

    def _component(self, prompt: str) -> int | None:
        """The component that a prompt asks for.

        Raises:
            EngineRefused: there is none of that number.
        """
        found = number_in(prompt)
        if found is not None and found >= len(self.means):
            raise EngineRefused(
                f"a prompt must ask for a component from 0 to {len(self.means) - 1}, got {prompt[:80]!r}; ask for one"
            )
        return found
