"""PNG and JPEG files of others without what nobody needs to see them: profiles, comments, previews.

Readers spend far more on these than on pixels: a PNG file of 3 MB of colour profiles takes pillow half a minute.
"""

from __future__ import annotations

import re
import struct

from .errors import UsageError
from .png import SIGNATURE

JPEG = b"\xff\xd8"
MOST_PARTS = 4096
MOST_SCANS = 32
SCAN = b"\xff\xda"
DRAWN = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
FILL = re.compile(rb"\xff+")
SCANS, APPLICATIONS, JFIF, EXIF, ADOBE = 0xDA, 0xE0, 0xE0, 0xE1, 0xEE


def bare(data: bytes) -> bytes:
    """A file that looks the same; what is neither PNG nor JPEG, or is damaged, stays so.

    Of a JPEG file the camera's data stay, which say how it is turned.

    Raises:
        UsageError: it has more parts, or goes over its pixels more often, than any honest file.
    """
    if data.startswith(SIGNATURE):
        return _bare_png(data)
    return _bare_jpeg(data) if data.startswith(JPEG) else data


def _bare_png(data: bytes) -> bytes:
    """Source: PNG Specification (third edition), W3C 2025, section 5.3."""
    parts, at = [SIGNATURE], len(SIGNATURE)
    for _ in range(MOST_PARTS):
        if at + 8 > len(data):
            return b"".join(parts)
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind in DRAWN:
            parts.append(data[at : at + 12 + length])
        at += 12 + length
    raise _too_many()


def _bare_jpeg(data: bytes) -> bytes:
    """Source: ITU-T T.81 (1992), annex B."""
    if data.count(SCAN) > MOST_SCANS:
        raise UsageError(f"a JPEG image must have at most {MOST_SCANS} scans, got more; save it anew")
    parts, at, is_turned = [JPEG], len(JPEG), False
    for _ in range(MOST_PARTS):
        fill = FILL.match(data, at)
        if fill is None or fill.end() + 3 > len(data):
            return b"".join(parts)
        at, kind = fill.end(), data[fill.end()]
        if kind == SCANS:
            return b"".join((*parts, b"\xff", data[at:]))
        end = at + 1 + int.from_bytes(data[at + 1 : at + 3], "big")
        is_camera = kind == EXIF and not is_turned and data.startswith(b"Exif\0\0", at + 3)
        if kind < APPLICATIONS or kind in (JFIF, ADOBE) or is_camera:
            parts.append(b"\xff" + data[at:end])
        at, is_turned = end, is_turned or is_camera
    raise _too_many()


def _too_many() -> UsageError:
    return UsageError(f"an image must be a file of at most {MOST_PARTS} parts, got more; save it anew")
