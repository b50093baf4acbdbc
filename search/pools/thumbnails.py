"""Thumbnails: images as small as a report shows them."""

from __future__ import annotations

import base64

import numpy as np

from ...orchestrator.images import Image
from ...orchestrator.png import png

MOST_SIDE = 48


def thumbnail(image: Image | None) -> str:
    """The base64 of the PNG file of an image, at most 48 pixels high and wide; empty where there is none.

    >>> thumbnail(None), thumbnail(Image(1, 1, 1, b"a"))[:11]
    ('', 'iVBORw0KGgo')
    """
    return "" if image is None else base64.b64encode(png(shrunk(image, MOST_SIDE))).decode()


def shrunk(image: Image, most: int) -> Image:
    """An image with no more than so many pixels a side, each the mean of a square of the old ones.

    >>> shrunk(Image(4, 2, 1, bytes([0, 100, 1, 1, 0, 100, 1, 1])), 2).array.ravel().tolist()
    [50, 1]
    """
    step = -(-max(image.height, image.width) // most)
    if step == 1:
        return image
    total, count = image.array.astype(np.float64), np.ones((image.height, image.width, 1))
    for axis in (0, 1):
        starts = np.arange(0, total.shape[axis], step)
        total, count = (np.add.reduceat(each, starts, axis=axis) for each in (total, count))
    return Image.of(np.rint(total / count).astype(np.uint8))
