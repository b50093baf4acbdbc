"""Images in the bytes of files that others send: PNG and JPEG, within bounds; and the same in data URLs."""

from __future__ import annotations

import binascii
import re
import warnings
from base64 import b64decode, b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BeforeValidator, PlainSerializer

from .bare_files import bare
from .errors import UsageError
from .images import Image
from .png import png

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

MOST_PIXELS = 2**22
DATA_URL = re.compile(r"data:image/(?:png|jpe?g);base64,", re.IGNORECASE)


def data_url(image: Image) -> str:
    """An image as text: its PNG file in a data URL (RFC 2397)."""
    return f"data:image/png;base64,{b64encode(png(image)).decode()}"


def image_at(url: str, most_pixels: int = MOST_PIXELS) -> Image:
    """The image that a data URL holds; nothing is ever fetched.

    Args:
        url: ``data:image/png;base64,...``, or the same of JPEG.
        most_pixels: width times height at most.

    Raises:
        UsageError: it is no such URL, or holds no such image.
    """
    head = DATA_URL.match(url)
    if head is None:
        rule = "an image must be sent as data:image/png;base64,... or data:image/jpeg;base64,..."
        raise UsageError(f"{rule}; addresses are not followed, so put the file itself there")
    try:
        data = b64decode(url[head.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise UsageError("the data of an image must be base64 without line ends, but is not; encode it anew") from None
    return image_of(data, most_pixels)


def image_of(data: bytes, most_pixels: int = MOST_PIXELS) -> Image:
    """The image in a PNG or JPEG file, upright; what is transparent in it becomes white.

    A file is refused before its pixels are read where these are too many, or would be read too often.

    Args:
        data: the bytes of the file.
        most_pixels: width times height at most.

    Raises:
        UsageError: it is no such file, is too large, or is damaged, or the imaging library is not installed.
    """
    try:
        from PIL import Image as Pillow
    except ImportError:
        remedy = 'pip install "ponder[diffusion]"'
        raise UsageError(f"images are read with pillow, which is not installed; {remedy}, or send text alone") from None
    file = BytesIO(bare(data))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with Pillow.open(file, formats=("PNG", "JPEG")) as opened:
                _check_size(opened.size, most_pixels)
                picture = _plain(opened)
        except UsageError:
            raise
        except Exception as error:  # what pillow raises on damaged files is not a closed list
            kind = type(error).__name__
            raise UsageError(f"an image must be a whole PNG or JPEG file, but cannot be read ({kind})") from None
    return Image.of(np.atleast_3d(np.asarray(picture)))


def fitted(image: Image, side: int) -> Image:
    """The image, scaled down where it has more than so many pixels a side."""
    from PIL import Image as Pillow

    if max(image.width, image.height) <= side:
        return image
    picture = Pillow.fromarray(image.array.squeeze(2) if image.channels == 1 else image.array)
    picture.thumbnail((side, side))
    return Image.of(np.atleast_3d(np.asarray(picture)))


def _check_size(size: tuple[int, int], most_pixels: int) -> None:
    width, height = size
    if width * height > most_pixels:
        raise UsageError(f"an image must have at most {most_pixels} pixels, got {width} x {height}; scale it down")


def _plain(opened: Picture) -> Picture:
    """Grey or red, green and blue, as a viewer shows it."""
    from PIL import Image as Pillow
    from PIL.ImageOps import exif_transpose

    picture = exif_transpose(opened)
    if picture.mode == "L":
        return picture
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    seen = picture.convert("RGBA")
    return Pillow.alpha_composite(Pillow.new("RGBA", seen.size, "white"), seen).convert("RGB")


def _shown(value: object) -> object:
    return image_at(value) if isinstance(value, str) else value


ShownImage = Annotated[Image, BeforeValidator(_shown), PlainSerializer(data_url, when_used="json")]
"""An image that JSON holds as a data URL."""
