"""The diffusion engine: a denoiser in this process, whose rows are batched across candidates and queries."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import Literal
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from ..denoising import Denoised, Denoising, Passage
from ..engine import Capabilities, EngineSpec
from ..errors import EngineRefused, EngineUnavailable
from ..images import Image, stacked, unstacked
from ..meter import Meter, Price, Rate, Seconds
from .denoisers import AnyDenoiser, Condition, Denoiser
from .denoisers.walk import Arrival, Place, State, walk
from .image_engine import ImageEngine


class DiffusionSpec(EngineSpec):
    """A denoiser in this process.

    Args:
        denoiser: the model.
        row_seconds: of one row in a batch, as measured; what `compute_seconds` counts.
        decode_seconds: of making one image.
        row_price: US dollars for a million rows.
    """

    kind: Literal["diffusion"] = "diffusion"
    denoiser: AnyDenoiser
    row_seconds: Seconds = 0.0
    decode_seconds: Seconds = 0.0
    row_price: Price = 0.0

    def open(self) -> DiffusionEngine:
        """The engine, not started yet."""
        return DiffusionEngine(self)

    def resources(self) -> dict[str, float]:
        """One processor, and one GPU for a denoiser that takes one."""
        return {"num_cpus": 1, "num_gpus": 1} if self.denoiser.takes_gpu else {"num_cpus": 1}


class _Walking:
    """Passages that go together, and where they wait for their velocities, or have ended."""

    def __init__(self, passages: list[Passage], facts: Denoising) -> None:
        self.passages = passages
        self.done: asyncio.Future[list[Denoised]] = asyncio.get_running_loop().create_future()
        self.conditions = [Condition(passage.prompt, passage.flow.guidance) for passage in passages]
        self.place: Place | None = None
        self.arrival: Arrival | None = None
        self.is_whole = passages[0].flow.solver == "own"
        self._walk = walk(passages, facts)
        if not self.is_whole:
            self.go_on(None)

    def go_on(self, velocity: State | None) -> None:
        """To the next place, or to the end."""
        try:
            self.place = next(self._walk) if velocity is None else self._walk.send(velocity)
        except StopIteration as end:
            if end.value is None:
                raise EngineRefused(
                    "a way from noise to data was broken off, and cannot go on; begin it anew"
                ) from None
            self.place, self.arrival = None, end.value


class DiffusionEngine(ImageEngine[Denoiser]):
    """The engine of a `DiffusionSpec`; a `DenoisingEngine`. Use it from one event loop."""

    kind = "diffusion"
    does = "makes images"

    def __init__(self, spec: DiffusionSpec) -> None:
        super().__init__(spec.denoiser)
        self.spec = spec
        self._begun = WeakSet[_Walking]()
        self._waiting: deque[_Walking] = deque()
        self._working: asyncio.Task[None] | None = None

    @cached_property
    def capabilities(self) -> Capabilities:
        return Capabilities(generate=False, denoising=self.model.facts)

    @cached_property
    def meter(self) -> Meter:
        spec, model = self.spec, self.model
        row = Rate(flops=model.row_flops, seconds=spec.row_seconds, price=spec.row_price)
        return Meter(row=row, decoding=Rate(flops=model.decoding_flops, seconds=spec.decode_seconds))

    async def close(self) -> None:
        """Stop what is being computed."""
        if self._working is not None:
            self._working.cancel()
            await asyncio.gather(self._working, return_exceptions=True)
        for walking in self._begun:
            if not walking.done.done():
                walking.done.set_exception(EngineRefused(f"{self.identity} must be open to denoise, but was closed"))
        await super().close()

    async def denoise(self, passages: Sequence[Passage]) -> list[Denoised]:
        """Where each passage ends; rows of everything in flight are evaluated together."""
        groups: dict[Hashable, list[int]] = {}
        for number, passage in enumerate(passages):
            groups.setdefault(_alike(passage), []).append(number)
        for numbers in groups.values():
            self._check(passages[numbers[0]])
        found: list[Denoised | None] = [None] * len(passages)
        begun = [(numbers, self._begin([passages[number] for number in numbers])) for numbers in groups.values()]
        try:
            for numbers, walking in begun:
                for number, each in zip(numbers, await walking.done, strict=True):
                    found[number] = each
        finally:
            for _, walking in begun:
                walking.done.cancel()
        return [each for each in found if each is not None]

    def _check(self, passage: Passage) -> None:
        """Refuse what the denoiser cannot do.

        Raises:
            EngineRefused: the latent has another shape, or it cannot go that way.
        """
        facts = self.model.facts
        if passage.latent.shape != facts.shape:
            shapes = f"a latent must have the shape {facts.shape} of the denoiser's, got {passage.latent.shape}"
            raise EngineRefused(f"{shapes}; draw noise with ctx.noise")
        whole = passage.flow.solver == "own"
        if whole and not (facts.has_own and passage.latent.t == 1.0 and passage.end == 0.0 and not passage.looks):
            raise EngineRefused(
                "solver 'own' must go from time 1 to time 0 of a denoiser that has a sampler of its own"
            )
        if not whole and not facts.is_stepwise:
            raise EngineRefused(f"{self.identity} must go the whole way by its own sampler; use solver 'own'")

    def _begin(self, passages: list[Passage]) -> _Walking:
        walking = _Walking(passages, self.model.facts)
        self._begun.add(walking)
        self._waiting.append(walking)
        if self._working is None or self._working.done():
            self._working = asyncio.create_task(self._work())
        return walking

    async def _work(self) -> None:
        """Evaluate whatever waits, a batch after the other, until nothing does."""
        while self._waiting:
            await asyncio.sleep(0)  # whoever asks in this turn comes into the batch
            some = self._next_batch()
            try:
                await self._advance(some)
            except Exception as error:
                await self._isolate(some, error)

    async def _isolate(self, some: Sequence[_Walking], error: Exception) -> None:
        """Find out whose failure it was that broke a batch: each goes on by itself."""
        for walking in some:
            try:
                if len(some) == 1:
                    raise error
                await self._advance([walking])
            except Exception as own:
                if not isinstance(own, EngineRefused | EngineUnavailable):
                    own = EngineRefused(
                        f"{self.identity} must evaluate its rows, but raised {type(own).__name__}: {own}"
                    )
                if not walking.done.done():
                    walking.done.set_exception(own)

    async def _advance(self, some: Sequence[_Walking]) -> None:
        """Each walk by one evaluation; one that has ended tells what it gives, and the others wait again."""
        ended = await self._in_thread(lambda: self._evaluated(some))
        for walking, found in zip(some, ended, strict=True):
            if found is None:
                self._waiting.append(walking)
            elif not walking.done.done():
                walking.done.set_result(found)

    def _next_batch(self) -> list[_Walking]:
        """The walks that come next, as many as the denoiser evaluates at once, one at least."""
        some: list[_Walking] = []
        rows = 0
        while self._waiting and (not some or rows + len(self._waiting[0].passages) <= self.model.facts.batch):
            walking = self._waiting.popleft()
            if not walking.done.done():
                some.append(walking)
                rows += len(walking.passages)
        return some

    @np.errstate(invalid="ignore", over="ignore")
    def _evaluated(self, some: Sequence[_Walking]) -> list[list[Denoised] | None]:
        """What each walk gives where it ends by this evaluation; rows that are no numbers are told at the end."""
        asking = [(walking, walking.place) for walking in some if walking.place is not None]
        for (walking, _), velocity in zip(asking, self._velocities(asking), strict=True):
            walking.go_on(velocity)
        for walking in some:
            if walking.is_whole:
                walking.arrival = self._whole(walking)
        return [self._arrived(walking, walking.arrival) if walking.arrival else None for walking in some]

    def _velocities(self, places: Sequence[tuple[_Walking, Place]]) -> list[State]:
        """The velocities at each place, all in as few batches as there must be."""
        if not places:
            return []
        x = np.concatenate([place.x for _, place in places]).astype(np.float32, copy=False)
        t = np.concatenate([np.full(len(place.x), place.t) for _, place in places])
        conditions = [condition for walking, _ in places for condition in walking.conditions]
        model = self.model
        told = [model.velocity(x[part], t[part], conditions[part]) for part in _parts(len(x), model.facts.batch)]
        if any(each.shape[1:] != x.shape[1:] for each in told) or sum(map(len, told)) != len(x):
            shapes = [each.shape for each in told]
            raise EngineRefused(f"{self.identity} must tell a velocity of shape {x.shape[1:]} a row, but told {shapes}")
        return np.split(np.concatenate(told), np.cumsum([len(place.x) for _, place in places])[:-1])

    def _whole(self, walking: _Walking) -> Arrival:
        """Where the denoiser's own sampler ends."""
        x, model = stacked([passage.latent for passage in walking.passages]), self.model
        steps, conditions = len(walking.passages[0].times), walking.conditions
        data = np.concatenate([model.own(x[p], steps, conditions[p]) for p in _parts(len(x), model.facts.batch)])
        return Arrival(data, None, data)

    def _arrived(self, walking: _Walking, end: Arrival) -> list[Denoised]:
        """What the passages of a walk give; each that holds NaN or infinity is lost by itself."""
        first, facts = walking.passages[0], self.model.facts
        rows = first.evaluations * facts.rows(first.flow.guidance)
        usage = self.meter.denoising(rows, int(first.decodes))
        is_finite = _finite(end.x) & _finite(end.data)
        velocity = None if end.velocity is None else end.velocity[is_finite]
        latents = iter(unstacked(end.x[is_finite], first.end, velocity))
        images = iter(self._images(end.data[is_finite]) if first.decodes else [])
        lost = Denoised(None, None, usage, f"NaN or infinity at time {first.end:.3g}")
        return [Denoised(next(latents), next(images, None), usage) if whole else lost for whole in is_finite]

    def _images(self, data: State) -> list[Image]:
        return [Image.of(pixels) for pixels in self.model.decode(data)] if len(data) else []


def _finite(rows: State) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(rows).reshape(len(rows), -1).all(axis=1))


def _parts(rows: int, size: int) -> list[slice]:
    return [slice(start, start + size) for start in range(0, rows, size)]


def _alike(passage: Passage) -> Hashable:
    """Equal for passages that go together."""
    start = (passage.latent.t, passage.latent.shape, bool(passage.latent.velocity))
    return passage.flow, start, passage.times, passage.looks, passage.decodes
