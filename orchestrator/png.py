"""The PNG file of an image."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .images import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2}
LEVEL = 6


def png(image: Image) -> bytes:
    """The bytes of an image's PNG file: 8 bits a channel, grey or true colour, no filter.

    Source: PNG Specification (third edition), W3C 2025, sections 5 and 11.2.

    >>> from .images import Image
    >>> png(Image(1, 1, 1, b"a"))[:8]
    b'\\x89PNG\\r\\n\\x1a\\n'
    """
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, COLOUR_TYPES[image.channels], 0, 0, 0)
    rows = image.array.reshape(image.height, -1)
    unfiltered = np.pad(rows, ((0, 0), (1, 0))).tobytes()
    parts = (b"IHDR", header), (b"IDAT", zlib.compress(unfiltered, LEVEL)), (b"IEND", b"")
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
