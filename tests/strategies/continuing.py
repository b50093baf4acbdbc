"""An engine that goes on from any text as a function says, within length and stop strings."""

from collections.abc import Callable

from ponder.orchestrator.engine import Completion, Request
from ponder.orchestrator.engines.byte_vocabulary import END, decode, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.types import Finish


class Continuing(SimulatedEngine):
    """Writes on what `go_on` says to a text so far, then ends; None is a call refused.

    Args:
        go_on: the whole rest of the text, by what stands already.
        name: tells its draws from those of other engines.
    """

    def __init__(self, go_on: Callable[[str], str | None], name: str = "") -> None:
        super().__init__(SimulatedSpec(context_length=1_000_000))
        self._identity = f"continuing:{name}"
        self._go_on = go_on
        self.requests: list[Request] = []
        self.made: list[int] = []

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        sampling = request.sampling
        text = self._go_on(decode(request.prompt.tokens))
        if text is None:
            raise EngineRefused("the call must be answered, but is not; ask another")
        stops = [at + len(stop) for stop in sampling.stop if (at := text.find(stop)) >= 0]
        end = min([*stops, len(text) + 1, sampling.max_tokens])
        finish = Finish.STOP if end in stops else Finish.EOS if end > len(text) else Finish.TOTAL_LENGTH
        self.made.append(end)
        usage = self.meter.generation(await self.count(request.prompt), end)
        return Completion((*encode(text), END)[:end], text[:end], finish, usage)


def letters(so_far: str) -> str:
    """Endless text, of the letters in their order."""
    return "".join(chr(ord("a") + i % 26) for i in range(len(so_far), len(so_far) + 1000))
