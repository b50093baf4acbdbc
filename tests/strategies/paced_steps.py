"""An engine that writes each worker's steps as a test says, at the pace that the test says."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence

from ponder.orchestrator.engine import Completion, Progress, Prompt, Request, Watch
from ponder.orchestrator.engines.byte_vocabulary import END, decode, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.types import Finish

Pace = Callable[[Callable[[int], None]], Awaitable[None]]


class PacedSteps(SimulatedEngine):
    """Writes the texts of each worker in turn; what is after them, or no worker's, is the finisher's ``7}``.

    Args:
        texts: by worker, what it writes in each step; one that does not end in ``;`` ends the text, None is refused.
        paces: by step such as ``A1``, what to await before it ends, which may tell how far it has come.
        streams: whether it tells of progress.
    """

    def __init__(
        self,
        texts: Mapping[str, Sequence[str | None]],
        paces: Mapping[str, Pace] | None = None,
        streams: bool = True,
        context_length: int = 4096,
    ) -> None:
        super().__init__(SimulatedSpec(streams=streams, context_length=context_length))
        self._identity = f"paced:{dict(texts)}"
        self._texts, self._paces = texts, paces or {}
        self.prompts: dict[str, str] = {}
        self.asked: list[Prompt] = []
        self.log: list[str] = []

    async def complete(self, request: Request, watch: Watch | None = None) -> Completion:
        so_far = decode(request.prompt.tokens)
        self.asked.append(request.prompt)
        step = re.search(r"([A-D])(\d+):\??$", so_far)
        label = step[1] + step[2] if step else "finisher"
        self.prompts[label] = so_far
        self.log.append(f"{label} begins")
        text = self._text(step[1], int(step[2])) if step else "7}"
        if text is None:
            raise EngineRefused(f"{label} must not be asked; ask another")
        if pace := self._paces.get(label):
            await pace(lambda tokens: watch(Progress(tokens, "")) if watch else None)
        self.log.append(f"{label} ends")
        return await self._completion(text, request)

    def _text(self, name: str, step: int) -> str | None:
        texts = self._texts[name]
        return texts[step - 1] if step <= len(texts) else ""

    async def _completion(self, text: str, request: Request) -> Completion:
        tokens = encode(text) if text.endswith(";") else (*encode(text), END)
        finish = Finish.STOP if text.endswith(";") and request.sampling.stop else Finish.EOS
        if len(tokens) > request.sampling.max_tokens:
            tokens, finish = tokens[: request.sampling.max_tokens], Finish.TOTAL_LENGTH
        usage = self.meter.generation(await self.count(request.prompt), len(tokens))
        return Completion(tokens, decode(tokens), finish, usage)
