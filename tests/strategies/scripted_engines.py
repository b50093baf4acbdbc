"""Engines that a test writes itself: one draws answers by given shares, the other writes given texts in turn."""

import asyncio
from bisect import bisect
from collections.abc import Mapping, Sequence
from itertools import accumulate

from ponder.orchestrator.engine import Capabilities, Completion, Request
from ponder.orchestrator.engines.byte_vocabulary import END, decode, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.types import Finish


class Dice(SimulatedEngine):
    """Draws a text by its share, whatever is asked."""

    def __init__(self, shares: Mapping[str, float]) -> None:
        super().__init__(SimulatedSpec())
        self._identity = f"dice:{dict(shares)}"
        self._shares = shares

    async def complete(self, request: Request) -> Completion:
        place = bisect(tuple(accumulate(self._shares.values())), request.seed / 2**53)
        text = tuple(self._shares)[min(place, len(self._shares) - 1)]
        usage = self.meter.generation(await self.count(request.prompt), len(text) + 1)
        return Completion((*encode(text), END), text, Finish.EOS, usage)


class Scripted(SimulatedEngine):
    """Writes the given texts, one a fresh draw, in the order of the calls; None is a call that is refused.

    Args:
        texts: what to write; each has a beginning of its own, where it is continued.
        sure: the confidence of each token of each text, its end included; None tells none.
        waits: seconds that each fresh draw takes.
    """

    def __init__(
        self,
        texts: Sequence[str | None],
        sure: Sequence[Sequence[float]] | None = None,
        waits: Sequence[float] = (),
    ) -> None:
        super().__init__(SimulatedSpec())
        self._identity = f"scripted:{texts}"
        self._texts, self._sure, self._waits = texts, sure, waits
        self._begun = 0
        self.written = 0

    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.model_copy(update={"logprobs": self._sure is not None})

    async def complete(self, request: Request) -> Completion:
        so_far = decode(request.prompt.tokens)
        which = self._begun
        if so_far:
            which = next(i for i, text in enumerate(self._texts) if text and text.startswith(so_far))
        else:
            self._begun += 1
            await asyncio.sleep(self._waits[which] if self._waits else 0)
        text = self._texts[which]
        if text is None:
            raise EngineRefused("the call must be answered, but is not; ask another")
        start, end = len(so_far), min(len(text) + 1, len(so_far) + request.sampling.max_tokens)
        self.written += end - start
        usage = self.meter.generation(await self.count(request.prompt), end - start)
        finish = Finish.EOS if end > len(text) else Finish.TOTAL_LENGTH
        tokens = (*encode(text), END)[start:end]
        sure = tuple(self._sure[which][start:end]) if self._sure is not None else None
        return Completion(tokens, text[start:end], finish, usage, confidences=sure)
