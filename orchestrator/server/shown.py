"""Images in a chat: taken out of the last message, read within bounds, and never fetched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import UsageError
from ..image_bytes import MOST_PIXELS, fitted, image_at
from ..images import Image
from .asked import refuse

MOST_IMAGES = 16
LOW = 512
DETAILS = (None, "auto", "low", "high")


@dataclass(frozen=True, slots=True)
class Shown:
    """An image, and where it stood in the request."""

    place: str
    image: Image


def taken_out(messages: list[Any]) -> tuple[list[Any], tuple[Shown, ...]]:
    """The messages without their images, and these.

    Raises:
        Refusal: one stands elsewhere than in a last message of the user, is an address, is damaged, or is of more
            pixels than are left of `MOST_PIXELS` for all together; or there are too many.
    """
    shown: list[Shown] = []
    left = MOST_PIXELS
    for i, message in enumerate(messages):
        for j, part in enumerate(_parts(message)):
            if not _is_image(part):
                continue
            place = f"messages[{i}].content[{j}]"
            if i < len(messages) - 1 or message.get("role") != "user":
                raise refuse(place, "images are taken in the last message alone, where it is the user's; leave it out")
            if len(shown) == MOST_IMAGES:
                raise refuse(place, f"there must be at most {MOST_IMAGES} images; leave some out")
            image = _read(part, place, left)
            left -= image.width * image.height
            shown.append(Shown(place, fitted(image, LOW) if part["image_url"].get("detail") == "low" else image))
    if not shown:
        return messages, ()
    *before, last = messages
    words = [part for part in last["content"] if not _is_image(part)]
    return [*before, {**last, "content": words}], tuple(shown)


def _parts(message: Any) -> list[Any]:
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, list) else []


def _is_image(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "image_url"


def _read(part: Mapping[str, Any], place: str, most_pixels: int) -> Image:
    source = part.get("image_url")
    is_shaped = part.keys() == {"type", "image_url"} and isinstance(source, dict) and source.keys() <= {"url", "detail"}
    if not is_shaped or not isinstance(source, dict) or not isinstance(source.get("url"), str):
        rule = 'it must be {"type": "image_url", "image_url": {"url": "data:image/png;base64,..."}}'
        raise refuse(place, rule)
    if source.get("detail") not in DETAILS:
        raise refuse(f"{place}.image_url.detail", f"it must be auto, high (as it is) or low ({LOW} pixels a side)")
    try:
        return image_at(source["url"], most_pixels)
    except UsageError as error:
        raise refuse(place, str(error)) from None
