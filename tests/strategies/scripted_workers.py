"""An engine whose workers write what a test says, and whose ordinary draws go on as a function says."""

from collections.abc import Callable, Sequence

from continuing import Continuing

from ponder.orchestrator.engine import Advance, Advanced, Capabilities
from ponder.orchestrator.engines.byte_vocabulary import END, decode, encode
from ponder.orchestrator.engines.simulated_sharing import Writing
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.workspace import Committed, Drawn, Event, Left, Said


class ScriptedWorkers(Continuing):
    """Each worker writes its texts in turn, each with its end, and then nothing but ends.

    Args:
        texts: of each worker.
        finish: what an ordinary draw writes after a text.
        loses: the number of the advance that is refused.
        context_length: most tokens that a worker sees.
        capabilities: what differs from the simulated engine's.
    """

    def __init__(
        self,
        texts: Sequence[Sequence[str]],
        finish: Callable[[str], str | None] = lambda so_far: "7} indeed",
        *,
        loses: int = -1,
        context_length: int = 1_000_000,
        **capabilities: object,
    ) -> None:
        super().__init__(finish, name=str(texts))
        self.spec = self.spec.model_copy(update={"context_length": context_length})
        self._texts, self._loses, self._changed = texts, loses, capabilities
        self.advances: list[Advance] = []
        self.released: list[str] = []

    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.model_copy(update=self._changed)

    async def advance(self, request: Advance) -> Advanced:
        self.advances.append(request)
        if len(self.advances) - 1 == self._loses:
            raise EngineRefused("the advance must be made, but is not; ask another")
        return await super().advance(request)

    async def release(self, session: str) -> None:
        self.released.append(session)

    def _rest(self, writing: Writing, worker: int) -> tuple[int, ...]:
        events = writing.request.workspace.events
        ended = sum(worker in event.ended for event in events if isinstance(event, Drawn))
        texts = self._texts[worker]
        before = sum(map(len, texts[:ended]))
        text = texts[ended] if ended < len(texts) else ""
        return (*encode(text[len(writing.standings[worker].drawn) - before :]), END)

    @property
    def told(self) -> list[str]:
        """What happened before the last advance, a line an event: ``0+`` said, ``0!`` committed, ``0-`` left, drawn."""
        return [_line(event) for event in self.advances[-1].workspace.events]


def _line(event: Event) -> str:
    match event:
        case Said(worker, tokens):
            return f"{worker}+{decode(tokens)}"
        case Committed(worker):
            return f"{worker}!"
        case Left(worker):
            return f"{worker}-"
        case Drawn(tokens, ended):
            return "|".join(f"{decode(each)}{'.' if i in ended else ''}" for i, each in enumerate(tokens))
