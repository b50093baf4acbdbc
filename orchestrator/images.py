"""Arrays that are values: an image as pixels, and a latent as numbers at a time of its denoising.

Both hold bytes, so that they are frozen, equal where their contents are, and have one spelling in keys and files.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from .errors import UsageError
from .png import png

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = NDArray[np.float32]
Pixels = NDArray[np.uint8]
CHANNELS = (1, 3)


@dataclass(frozen=True, slots=True)
class Image:
    """An image: `height` rows of `width` pixels, each of 1 (grey) or 3 (red, green, blue) bytes; one pixel at least.

    Raises:
        UsageError: there are more or fewer bytes than that, or no bytes.
    """

    width: int
    height: int
    channels: int
    pixels: bytes = field(repr=False)

    def __post_init__(self) -> None:
        size = self.width * self.height * self.channels
        if not isinstance(self.pixels, bytes):
            raise UsageError(f"pixels must be bytes, got {type(self.pixels).__name__}; use Image.of for an array")
        if self.channels not in CHANNELS or min(self.width, self.height) < 1 or len(self.pixels) != size:
            raise UsageError(
                "an image must hold width * height * channels bytes, of one pixel at least, with 1 or 3 channels, got "
                f"{len(self.pixels)} for {self.width} * {self.height} * {self.channels}"
            )

    @classmethod
    def of(cls, pixels: Pixels) -> Self:
        """The image of an array of bytes, of shape ``[height, width, channels]``.

        Raises:
            UsageError: it is no such array.
        """
        if pixels.dtype != np.uint8 or pixels.ndim != 3:
            raise UsageError(
                f"pixels must be of type uint8 and of shape [height, width, channels], got {pixels.dtype} of shape "
                f"{pixels.shape}; scale them to 0 to 255 and convert them"
            )
        height, width, channels = pixels.shape
        return cls(width, height, channels, pixels.tobytes())

    @property
    def array(self) -> Pixels:
        """Bytes of shape ``[height, width, channels]``; not to be written to."""
        return np.frombuffer(self.pixels, np.uint8).reshape(self.height, self.width, self.channels)

    def save(self, path: str | Path) -> None:
        """Write it as a PNG file: ``result.best.image.save("three.png")``.

        Raises:
            UsageError: the file is not called PNG, or cannot be written.
        """
        place = Path(path)
        if place.suffix.lower() != ".png":
            raise UsageError(f"an image must be saved as PNG, got {str(path)!r}; name a file that ends in .png")
        try:
            place.write_bytes(png(self))
        except OSError as error:
            raise UsageError(f"an image must be saved at {path}, but: {error.strerror}; name another place") from None


@dataclass(frozen=True, slots=True)
class Latent:
    """What is being denoised, at a time: 1 is pure noise, 0 is data.

    Args:
        t: the time, 0 to 1, of the interpolant that the values are in.
        shape: of the values.
        values: float32, in C order.
        velocity: the derivative of the values by time there, as a denoiser sees it, float32; empty where it was not
            asked.

    Raises:
        UsageError: there are more or fewer bytes than the shape has, a side is negative, or the time lies beyond.
    """

    t: float
    shape: tuple[int, ...]
    values: bytes
    velocity: bytes = b""

    def __post_init__(self) -> None:
        if not 0.0 <= self.t <= 1.0:
            raise UsageError(f"the time of a latent must lie from 0 (data) to 1 (noise), got {self.t}")
        if min(self.shape, default=0) < 0:
            raise UsageError(f"the sides of a latent must be 0 or more, got shape {self.shape}; give that of its array")
        size = 4 * math.prod(self.shape)
        if len(self.values) != size or len(self.velocity) not in (0, size):
            raise UsageError(
                f"a latent of shape {self.shape} must hold {size} bytes, got {len(self.values)} of values and "
                f"{len(self.velocity)} of velocity"
            )

    @classmethod
    def of(cls, values: NDArray[Any], t: float, velocity: NDArray[Any] | None = None) -> Self:
        """The latent of an array."""
        return cls(t, values.shape, _bytes(values), b"" if velocity is None else _bytes(velocity))

    @property
    def array(self) -> Array:
        """The values as an array; not to be written to."""
        return np.frombuffer(self.values, np.float32).reshape(self.shape)

    @property
    def slope(self) -> Array:
        """The velocity as an array; not to be written to.

        Raises:
            UsageError: it is not known.
        """
        if not self.velocity:
            raise UsageError("a latent must have its velocity here, but it was not asked for; ask with looks=True")
        return np.frombuffer(self.velocity, np.float32).reshape(self.shape)


def stacked(latents: Sequence[Latent]) -> Array:
    """The values of latents of one shape, as an array ``[latents, *shape]``."""
    return _array([latent.values for latent in latents], latents[0].shape)


def slopes(latents: Sequence[Latent]) -> Array:
    """The velocities of latents of one shape, which know them, as an array ``[latents, *shape]``."""
    return _array([latent.velocity for latent in latents], latents[0].shape)


def unstacked(values: NDArray[Any], t: float, velocities: NDArray[Any] | None = None) -> list[Latent]:
    """The latents of an array ``[latents, *shape]``, all at one time.

    >>> [latent.array.tolist() for latent in unstacked(np.array([[0.5, 1.0], [1.5, 2.0]]), 1.0)]
    [[0.5, 1.0], [1.5, 2.0]]
    """
    known = [b""] * len(values) if velocities is None else _rows(velocities)
    return [Latent(t, values.shape[1:], *row) for row in zip(_rows(values), known, strict=True)]


def _array(rows: Sequence[bytes], shape: tuple[int, ...]) -> Array:
    return np.frombuffer(bytearray().join(rows), np.float32).reshape(len(rows), *shape)


def _rows(values: NDArray[Any]) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(values, np.float32)]


def _bytes(values: NDArray[Any]) -> bytes:
    return np.ascontiguousarray(values, np.float32).tobytes()
