"""Images side by side in one image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .errors import UsageError
from .images import Image


def image_grid(rows: Sequence[Sequence[Image]], *, zoom: int = 1, gap: int = 1, paper: int = 255) -> Image:
    """Rows of images of one size as one image, its PNG file to be had by `png`.

    Args:
        rows: from the top; a shorter row ends in empty places.
        zoom: each pixel becomes a square of so many by so many.
        gap: pixels between images and around them.
        paper: the byte that gaps and empty places hold.

    >>> image_grid([[Image(1, 1, 1, b"a"), Image(1, 1, 1, b"b")], [Image(1, 1, 1, b"c")]], gap=0, paper=46).pixels
    b'abc.'

    Raises:
        UsageError: there is no image, or their sizes differ.
    """
    sizes = {(image.height, image.width, image.channels) for row in rows for image in row}
    if len(sizes) != 1:
        raise UsageError(f"the images of a grid must all have one size, got {sorted(sizes)}; tile others apart")
    ((height, width, channels),) = sizes
    high, wide = zoom * height + gap, zoom * width + gap
    sheet = np.full((len(rows) * high + gap, max(map(len, rows)) * wide + gap, channels), paper, np.uint8)
    for i, row in enumerate(rows):
        for j, image in enumerate(row):
            large = image.array.repeat(zoom, axis=0).repeat(zoom, axis=1)
            sheet[i * high + gap : (i + 1) * high, j * wide + gap : (j + 1) * wide] = large
    return Image.of(sheet)
