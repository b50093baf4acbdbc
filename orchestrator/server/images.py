"""``/v1/images/generations``: a request becomes a run, and the best images of its result the answer."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from ..images import Image
from ..pipeline import Pipeline
from ..png import png
from ..runtime import Done
from ..types import Result, Usage
from .asked import refuse
from .bill import bill, headers
from .endpoint import IMAGES, Endpoint, Job
from .image_wire import ImageRequest, read_request
from .refusal import check_answered
from .reply import send_json
from .runs import Work
from .served import Model

if TYPE_CHECKING:
    from starlette.types import Send


class ImageGenerations(Endpoint[ImageRequest]):
    """The endpoint of images."""

    medium = "image"
    prefix = "img-"
    path = IMAGES

    def read(self, data: Mapping[str, Any]) -> ImageRequest:
        return read_request(data)

    def prepared(self, model: Model, pipeline: Pipeline, asked: ImageRequest) -> Pipeline:
        made = model.sizes
        if asked.size not in ("auto", *made):
            rule = f"it must be auto or what this model makes ({', '.join(made)})" if made else "it must be auto here"
            raise refuse("size", f"{rule}; leave it out")
        return pipeline

    async def answer(self, job: Job[ImageRequest], work: Work, send: Send) -> None:
        """Answer when the run is done, with whole images only.

        Raises:
            Refusal: there is none.
        """
        result = _whole(await work.outcome(), job.id)
        images = [each.image for each in result.candidates[: job.asked.n] if each.image is not None]
        told = bill(result, job.seed)
        body = {"created": int(work.created), "output_format": "png", "size": f"{images[0].width}x{images[0].height}"}
        body |= {"data": await asyncio.to_thread(_data, images), "usage": _usage(result.usage), "ponder": told}
        await send_json(send, 200, orjson.dumps(body), {"x-request-id": job.id, **headers(told)})


def _whole(done: Done, request_id: str) -> Result:
    """The result with the images alone that came to their end.

    Raises:
        Refusal: there is none.
    """
    whole = tuple(each for each in done.result.candidates if each.image is not None and each.finish.is_complete)
    result = replace(done.result, candidates=whole)
    check_answered(result, done.is_cut, request_id)
    return result


def _data(images: Sequence[Image]) -> list[dict[str, str]]:
    return [{"b64_json": base64.b64encode(png(image)).decode()} for image in images]


def _usage(spent: Usage) -> dict[str, Any]:
    """Tokens, where graders that are language models read and wrote some; what images cost stands in the bill."""
    return {
        "input_tokens": spent.prompt_tokens,
        "input_tokens_details": {"image_tokens": 0, "text_tokens": spent.prompt_tokens},
        "output_tokens": spent.completion_tokens,
        "output_tokens_details": {"image_tokens": 0, "text_tokens": spent.completion_tokens},
        "total_tokens": spent.total_tokens,
    }
