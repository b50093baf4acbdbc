"""Images side by side in one image."""

import numpy as np
import pytest

from ponder.orchestrator.errors import UsageError
from ponder.orchestrator.image_grid import image_grid
from ponder.orchestrator.images import Image


def image(level: int, channels: int = 1) -> Image:
    return Image.of(np.full((2, 3, channels), level, np.uint8))


def test_each_image_lies_in_its_place_enlarged_with_paper_between() -> None:
    sheet = image_grid([[image(1), image(2)], [image(3)]], zoom=2, gap=1, paper=9).array[..., 0]
    assert sheet.shape == (2 * 5 + 1, 2 * 7 + 1)
    for level, rows, columns in (
        (1, slice(1, 5), slice(1, 7)),
        (2, slice(1, 5), slice(8, 14)),
        (3, slice(6, 10), slice(1, 7)),
    ):
        assert (sheet[rows, columns] == level).all()
    assert (sheet[6:, 8:] == 9).all() and (sheet[[0, 5, 10]] == 9).all() and (sheet[:, [0, 7, 14]] == 9).all()


def test_colours_stay_colours() -> None:
    red = Image(1, 1, 3, bytes((255, 0, 0)))
    assert image_grid([[red]], zoom=2, gap=0) == Image(2, 2, 3, bytes((255, 0, 0)) * 4)


@pytest.mark.parametrize("rows", [[], [[]], [[image(1), image(1, 3)]]])
def test_images_of_unlike_sizes_and_no_images_are_refused(rows: list[list[Image]]) -> None:
    with pytest.raises(UsageError, match="must all have one size"):
        image_grid(rows)
