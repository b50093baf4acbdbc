"""Images to look at: what methods made of the same prompts, and how one image came about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from digits.data import Images, every
from numpy.typing import NDArray

from ponder.orchestrator.engine import EngineSpec
from ponder.orchestrator.image_grid import image_grid
from ponder.orchestrator.images import Image
from ponder.orchestrator.runtime import Runtime

from .cells import CLASSES, prompt
from .methods import Method

SIDE = 8
ZOOM = 6
EACH = 2  # images of each digit


def row(images: Sequence[Image]) -> NDArray[np.uint8]:
    """Images side by side, ``[height, width]``."""
    return image_grid([images], zoom=ZOOM, gap=2).array[..., 0]


def by_digit(images: Images, each: int = EACH) -> NDArray[np.uint8]:
    """The first of images that show 0 to 9 in turn side by side, all of a digit together."""
    chosen = [digit + CLASSES * number for digit in range(CLASSES) for number in range(each)]
    return row([shown(images[at]) for at in chosen])


def real(each: int = EACH) -> Images:
    """Real digits, 0 to 9 in turn."""
    digits = every()
    return np.concatenate(
        [[digits.images[digits.labels == d][number] for d in range(CLASSES)] for number in range(each)]
    )


def shown(pixels: Images) -> Image:
    """The image of 64 pixels in [-1, 1]."""
    return Image.of(np.rint((pixels.reshape(SIDE, SIDE, 1) + 1) * 127.5).astype(np.uint8))


async def trajectories(
    method: Method, nfe: int, engines: Mapping[str, EngineSpec], digits: Sequence[int], seed: int
) -> dict[str, NDArray[np.uint8]]:
    """The data expected at each state on the way to the image of each prompt, and the image itself."""
    found = {}
    async with Runtime(engines, seed=seed) as runtime:
        for digit in digits:
            result = await runtime.run(method.strategy(nfe), prompt(digit))
            assert result.best is not None
            found[prompt(digit).messages[-1].content] = row([each.image for each in result.best.path() if each.image])
    return found
