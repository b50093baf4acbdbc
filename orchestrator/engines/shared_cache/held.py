"""A session that is held: its passes are computed where there is memory for what they write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from ...errors import EngineRefused, EngineUnavailable
from .admission import Admission, Place
from .batching import Batcher
from .row import Row
from .session import Session

T = TypeVar("T")
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Held:
    """A session, the place of its cache in memory, and what computes its passes."""

    session: Session
    place: Place
    admission: Admission
    batcher: Batcher

    async def compute(self, rows: Sequence[Row], then: Callable[[Tensor], T]) -> T:
        """What `then` makes of the logits of rows of the session; see `Batcher.compute`.

        A cache that was measured out too small, as steps were shorter than a page, is doubled first, or made as large
        as it must be where only that fits the memory.

        Raises:
            EngineUnavailable: the pass failed, or there is no memory for it beside the caches of others.
            EngineRefused: there is none at all.
        """
        slab = self.session.slab
        needed = slab.needed([(row.view[-1], len(row.tokens)) for row in rows])
        if needed > slab.capacity:
            self._grow(needed)
        return await self.batcher.compute(rows, then)

    def _grow(self, needed: int) -> None:
        slab, each = self.session.slab, self.session.slab.shape.bytes_per_token
        others, most = self.admission.taken - self.place.bytes, self.admission.most
        for capacity in (2 * slab.capacity, needed):
            if capacity >= needed and others + capacity * each <= most:
                slab.grow(capacity)
                self.admission.resize(self.place, slab.bytes)
                return
        what = f"a shared cache that has grown to {needed * each / GIB:.3g} GiB"
        if needed * each > most:
            raise EngineRefused(
                f"{what} must fit the engine's memory ({most / GIB:.3g} GiB); take fewer workers, lower max_tokens "
                "or page_size, or raise cache_gib"
            )
        raise EngineUnavailable(
            f"{what} must fit the engine's memory ({most / GIB:.3g} GiB) beside those of others "
            f"({others / GIB:.3g} GiB); it is made anew when they leave room, or raise cache_gib"
        )
