"""Denoising: what is asked of a denoiser, and what it gives."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import gt
from typing import Literal, get_args

import orjson
from pydantic import BaseModel, ConfigDict, Field

from .errors import UsageError
from .images import Image, Latent
from .interpolants import LINEAR, AnyInterpolant, Interpolant
from .types import Usage

Solver = Literal["euler", "heun", "ddim", "own"]


class Denoising(BaseModel):
    """What a denoiser is to whoever searches with it.

    Args:
        shape: of its latents, without the axis of the batch.
        interpolant: how it mixes data and noise.
        is_stepwise: whether it tells its velocity at any time; else it only goes the whole way from noise to data.
        has_own: whether it has a sampler of its own, the solver ``own``.
        guidance_rows: rows of an evaluation with guidance other than 1.
        batch: rows that it evaluates at once.
        size: width and height of its images, where that is known.
    """

    model_config = ConfigDict(frozen=True)
    shape: tuple[int, ...]
    interpolant: AnyInterpolant = LINEAR
    is_stepwise: bool = True
    has_own: bool = False
    guidance_rows: int = 2
    batch: int = Field(default=256, ge=1)
    size: tuple[int, int] | None = None

    def rows(self, guidance: float) -> int:
        """Rows that one evaluation of one latent takes."""
        return 1 if guidance == 1.0 else self.guidance_rows


@dataclass(frozen=True, slots=True)
class Flow:
    """How latents flow from noise to data.

    Args:
        interpolant: that states are in; None for the denoiser's own.
        solver: of the ordinary differential equation: ``euler``, ``heun`` (two evaluations a step, one in the last),
            ``ddim`` (Song, Meng and Ermon 2021: exact where data and noise stay as expected; with a linear interpolant
            the same as ``euler``), or ``own``, the denoiser's own sampler, from 1 to 0 only.
        guidance: the scale of classifier-free guidance (Ho and Salimans 2022); 1 is without.
        is_conditional: whether the denoiser is told the prompt.
    """

    interpolant: Interpolant | None = None
    solver: Solver = "euler"
    guidance: float = 1.0
    is_conditional: bool = True

    def __post_init__(self) -> None:
        if self.solver not in get_args(Solver) or not 0.0 <= self.guidance < math.inf:
            solvers = ", ".join(get_args(Solver))
            raise UsageError(
                f"latents must flow by one of the solvers {solvers}, with a guidance from 0 up that is finite, got "
                f"{self.solver!r} and {self.guidance}; mend the flow"
            )

    def evaluations(self, steps: int, *, to_data: bool = True) -> int:
        """How often the velocity is evaluated in so many steps, of which the last goes to time 0 or not.

        >>> Flow(solver="heun").evaluations(4), Flow(solver="heun").evaluations(4, to_data=False), Flow().evaluations(4)
        (7, 8, 4)
        """
        return 2 * steps - (to_data and steps > 0) if self.solver == "heun" else steps


@dataclass(frozen=True, slots=True)
class Passage:
    """One latent's way down: which times it goes to, and what is wanted where it ends.

    Args:
        latent: where it starts, with the velocity there where that is known already.
        flow: how it goes.
        prompt: what the image should show; empty for anything.
        times: that it goes to, falling, each below where it starts; none to stay.
        looks: whether the velocity at the end is wanted: one evaluation more, none at time 0.
        decodes: whether the image at the end is wanted: of the data that is expected there, for which it must look.
    """

    latent: Latent
    flow: Flow
    prompt: str = ""
    times: tuple[float, ...] = ()
    looks: bool = False
    decodes: bool = False

    def __post_init__(self) -> None:
        way = (self.latent.t, *self.times)
        if not all(map(gt, way, self.times)) or not way[-1] >= 0.0:
            raise UsageError(f"a passage must go to falling times, down to 0 at most, got {way}; sort them")
        if self.decodes and self.end > 0.0 and not self.looks:
            raise UsageError(
                f"a passage that ends at time {self.end} must look there to show an image, for which the data expected "
                "there is wanted; ask with looks=True"
            )

    @property
    def end(self) -> float:
        """The time where it ends."""
        return self.times[-1] if self.times else self.latent.t

    @property
    def evaluations(self) -> int:
        """How often its velocity is evaluated."""
        steps = self.flow.evaluations(len(self.times), to_data=self.end == 0.0)
        looks = self.looks and self.end > 0.0
        is_known = bool(self.latent.velocity) and bool(self.times or looks)
        return steps + looks - is_known


@dataclass(frozen=True, slots=True)
class Denoised:
    """Where a passage has ended.

    Args:
        latent: there; None where it is lost.
        image: where it was asked.
        usage: what it cost.
        lost: why it is lost, e.g. since it holds NaN.
    """

    latent: Latent | None
    image: Image | None = None
    usage: Usage = Usage()
    lost: str = ""

    def to_bytes(self) -> bytes:
        """Its record: a line of JSON, and the bytes of latent, velocity and pixels."""
        latent, image = self.latent, self.image
        head = {
            "latent": latent and (latent.t, latent.shape, len(latent.velocity)),
            "image": image and (image.width, image.height, image.channels),
            "usage": self.usage.as_dict(),
            "lost": self.lost,
        }
        body = (latent.values + latent.velocity if latent else b"") + (image.pixels if image else b"")
        return orjson.dumps(head) + b"\n" + body

    @classmethod
    def from_bytes(cls, record: bytes) -> Denoised:
        """What a record holds."""
        line, _, body = record.partition(b"\n")
        head = orjson.loads(line)
        latent, image = None, None
        if head["image"]:
            width, height, channels = head["image"]
            size = width * height * channels
            image = Image(width, height, channels, body[len(body) - size :])
            body = body[: len(body) - size]
        if head["latent"]:
            t, shape, known = head["latent"]
            values = len(body) - known
            latent = Latent(t, tuple(shape), body[:values], body[values:])
        return cls(latent, image, Usage(**head["usage"]), head["lost"])


@dataclass(frozen=True, slots=True)
class Look:
    """Images to be looked at by a reward model.

    Args:
        images: each by itself.
        prompt: what they should show.
    """

    images: tuple[Image, ...]
    prompt: str = ""


Seen = tuple[float | None, ...]
"""What a reward model tells of one image: one value, or one a class; None for what is no number. Empty for an image
that it cannot look at."""


@dataclass(frozen=True, slots=True)
class Looked:
    """What was told of one image, and what that cost."""

    seen: Seen
    usage: Usage
