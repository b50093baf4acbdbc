"""A PNG file holds the image that it was made of, as another program reads it."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image as Pillow

from ponder.orchestrator.images import Image
from ponder.orchestrator.png import SIGNATURE, png


def image(height: int, width: int, channels: int) -> Image:
    random = np.random.default_rng(height)
    return Image.of(random.integers(0, 256, (height, width, channels), dtype=np.uint8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (5, 13)])
def test_pillow_reads_the_same_pixels(size: tuple[int, int], channels: int) -> None:
    drawn = image(*size, channels)
    with Pillow.open(io.BytesIO(png(drawn))) as opened:
        assert opened.format == "PNG"
        assert opened.mode == {1: "L", 3: "RGB"}[channels]
        np.testing.assert_array_equal(np.asarray(opened).reshape(drawn.array.shape), drawn.array)


def test_the_file_of_one_white_pixel_is_written_as_the_standard_says() -> None:
    written = png(Image(1, 1, 1, b"\xff"))
    assert written[:8] == SIGNATURE
    assert written[8:33] == b"\x00\x00\x00\rIHDR" + struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0) + written[29:33]
    assert struct.unpack(">I", written[29:33])[0] == zlib.crc32(written[12:29])
    length = struct.unpack(">I", written[33:37])[0]
    assert zlib.decompress(written[41 : 41 + length]) == b"\x00\xff"
    assert written[-12:] == bytes.fromhex("0000000049454e44ae426082")
