"""What a client may send to ``/v1/images/generations``: everything is honoured or refused by name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from ..types import Message
from .asked import Asked, Neutral, read, refuse

MOST_CHARACTERS = 32_000
SIZE = re.compile(r"auto|[1-9][0-9]{0,5}x[1-9][0-9]{0,5}")

NEUTRAL: Neutral = {
    "background": (("auto", "opaque"), "images are opaque"),
    "complexity": ((), "the pipeline fixes its effort; bound it with ponder.budget"),
    "frame_count": ((), "images do not move"),
    "frame_duration_ms": ((), "images do not move"),
    "moderation": (("auto", "low"), "nothing is moderated"),
    "output_compression": ((100,), "images are PNG files"),
    "partial_images": ((0,), "images come whole"),
    "quality": (("auto", "standard"), "the pipeline fixes its quality; bound it with ponder.budget"),
    "stream": ((False,), "images come whole"),
    "style": ((), "say it in the prompt"),
    "svg": ((), "images are PNG files"),
}


class ImageRequest(Asked):
    """A request for images. The last two are what is sent whatever is asked."""

    prompt: Annotated[str, Field(min_length=1, max_length=MOST_CHARACTERS)]
    size: str = "auto"
    output_format: Literal["png"] = "png"
    response_format: Literal["b64_json"] = "b64_json"

    @property
    def conversation(self) -> tuple[Message, ...]:
        return (Message(role="user", content=self.prompt),)


def read_request(data: Mapping[str, Any]) -> ImageRequest:
    """The request in a parsed body.

    Raises:
        Refusal: a parameter is missing, unknown, of a wrong type, out of range, or asks for what is not offered.
    """
    request = read(ImageRequest, data, NEUTRAL)
    if not request.prompt.strip():
        raise refuse("prompt", "it must say what the image should show; write it in words")
    if not SIZE.fullmatch(request.size):
        raise refuse("size", "it must be auto, or a width and a height such as 1024x1024")
    return request
