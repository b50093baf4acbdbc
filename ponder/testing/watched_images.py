"""A denoiser and a classifier of images that are watched at work, and can be made to behave badly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import replace
from typing import Any

import numpy as np

from ..orchestrator.denoising import Denoised, Look, Passage, Seen
from ..orchestrator.engines.diffusion import DiffusionEngine, DiffusionSpec
from ..orchestrator.engines.image_reward import ImageRewardEngine, ImageRewardSpec
from ..orchestrator.engines.simulated_faults import Distortion, Faults, FaultyCalls
from ..orchestrator.images import Image, Latent
from ..orchestrator.types import Message, Usage
from .image_world import is_whole
from .watched_calls import Watched

LOUDNESS: dict[Distortion | None, float] = {"garbage": 1000.0, "empty": 0.0}


class AtOnce(Executor):
    """Runs what it is given before it returns, so that a run takes the same turns of the event loop every time."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class WatchedDenoiser(DiffusionEngine):
    """A denoiser that is watched.

    Its faults strike a call (``unavailable``, ``hang``) or each latent by itself: ``refused`` loses it, ``garbage``
    makes it huge, ``empty`` zero, and ``overrun`` reports one evaluation more than was allowed.
    """

    def __init__(self, spec: DiffusionSpec, watched: Watched, faults: Faults) -> None:
        super().__init__(spec)
        self._thread = AtOnce()  # type: ignore[assignment]
        self._manner, self._seen, self._call = watched.manner, watched.seen, watched.call
        self._calls, self._parts = _faulty(faults)

    @property
    def working(self) -> asyncio.Task[None] | None:
        """The task in which it evaluates what it was asked."""
        return self._working

    async def denoise(self, passages: Sequence[Passage]) -> list[Denoised]:
        seen = self._seen
        seen.prompts += [(Message(role="user", content=passage.prompt),) for passage in passages]
        async with self._call(tuple(passages), "drawing", len(passages)) as lost:
            await self._calls.strike(tuple(passages))
            made = await super().denoise(passages)
            found = [self._given(*each, place in lost) for place, each in enumerate(zip(passages, made, strict=True))]
            seen.served += Usage.total(each.usage for each in found)
            is_sound = not any(map(self._parts.overruns, passages))
            for passage, each in zip(passages, found, strict=True):
                seen.answered += each.latent is not None
                seen.attempts += each.latent is not None and is_sound and is_whole(passage)
                seen.ends.add(passage.end)
            return found

    def _given(self, passage: Passage, done: Denoised, is_lost: bool) -> Denoised:
        """What comes of a passage in this scene."""
        usage = done.usage + Usage(nfe=int(self._parts.overruns(passage)))
        is_broken = self._manner.breaks == "drawing"
        if is_lost or is_broken or self._parts.refuses(passage) or done.latent is None:
            return Denoised(None, None, usage, done.lost or "NaN, by the manner or the faults of this scene")
        by = LOUDNESS.get(self._parts.distortion(passage), 1.0)
        return replace(done if by == 1.0 else _louder(done, done.latent, by), usage=usage)


class WatchedLooker(ImageRewardEngine):
    """A classifier of images that is watched. Its faults strike a call, or, ``refused``, each image by itself."""

    def __init__(self, spec: ImageRewardSpec, watched: Watched, faults: Faults) -> None:
        super().__init__(spec)
        self._thread = AtOnce()  # type: ignore[assignment]
        self._manner, self._seen, self._call = watched.manner, watched.seen, watched.call
        self._calls, self._parts = _faulty(faults)

    async def look(self, asked: Look) -> list[Seen]:
        prompt = (Message(role="user", content=asked.prompt),)
        self._seen.judging += [prompt] * len(asked.images)
        async with self._call(asked, "judging", len(asked.images)) as lost:
            await self._calls.strike(asked)
            told = await super().look(asked)
            self._seen.served += self.meter.looking().times(len(asked.images))
            return [
                () if place in lost or self._parts.refuses((image, asked.prompt)) else self._said(seen, image)
                for place, (image, seen) in enumerate(zip(asked.images, told, strict=True))
            ]

    def _said(self, seen: Seen, image: Image) -> Seen:
        if self._manner.sees and seen:
            seen = tuple(self._manner.sees(image))
        return (None,) * len(seen) if self._manner.breaks == "judging" else seen


def _faulty(faults: Faults) -> tuple[FaultyCalls, FaultyCalls]:
    """The faults of whole calls, and those of their parts."""
    return FaultyCalls(faults.model_copy(update={"refused": 0.0})), FaultyCalls(faults)


def _louder(done: Denoised, latent: Latent, by: float) -> Denoised:
    """The latent, its velocity and its image, times a factor."""
    velocity = latent.slope * np.float32(by) if latent.velocity else None
    image = done.image and Image.of(np.clip(done.image.array * by, 0, 255).astype(np.uint8))
    return replace(done, latent=Latent.of(latent.array * np.float32(by), latent.t, velocity), image=image)
