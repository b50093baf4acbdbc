"""An engine whose workers write what a test says, and Hogwild! on it with short words."""

import asyncio
from collections.abc import Callable, Sequence

from continuing import Continuing

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Advance, Advanced, Capabilities, Sampling
from ponder.orchestrator.engines.byte_vocabulary import END, decode, encode
from ponder.orchestrator.engines.simulated_sharing import Writing
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.runtime import Runtime
from ponder.orchestrator.types import Query, Result
from ponder.orchestrator.workspace import Committed, Drawn, Event, Left, Said
from ponder.strategies import Hogwild

QUERY = Query.ask("How many?")
SHORT = {
    "instructions": "",
    "opening": "{name}{step}:",
    "greetings": ("",),
    "names": ("A", "B", "C", "D"),
    "step_ends": (";",),
    "cue": "?",
    "cue_tokens": 0,
    "answer_opens": "{",
    "answer_ends": "}",
    "finisher": "So ",
    "chunk": 10,
    "max_tokens": 40,
}


class ScriptedWorkers(Continuing):
    """Each worker writes its texts in turn, each with its end, and then nothing but ends.

    Args:
        texts: of each worker.
        finish: what an ordinary draw writes after a text.
        loses: the number of the advance that is refused.
        hangs: that of the advance that never comes back.
        context_length: most tokens that a worker sees.
        capabilities: what differs from the simulated engine's.
    """

    def __init__(
        self,
        texts: Sequence[Sequence[str]],
        finish: Callable[[str], str | None] = lambda so_far: "7} indeed",
        *,
        loses: int = -1,
        hangs: int = -1,
        context_length: int = 1_000_000,
        **capabilities: object,
    ) -> None:
        super().__init__(finish, name=str(texts))
        self.spec = self.spec.model_copy(update={"context_length": context_length})
        self._texts, self._loses, self._hangs, self._changed = texts, loses, hangs, capabilities
        self.advances: list[Advance] = []
        self.released: list[str] = []

    @property
    def capabilities(self) -> Capabilities:
        return super().capabilities.model_copy(update=self._changed)

    async def advance(self, request: Advance) -> Advanced:
        self.advances.append(request)
        if len(self.advances) - 1 == self._loses:
            raise EngineRefused("the advance must be made, but is not; ask another")
        if len(self.advances) - 1 == self._hangs:
            await asyncio.Event().wait()
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
    def asked(self) -> list[tuple[Sampling | None, ...]]:
        """How each worker might draw in each advance."""
        return [advance.samplings for advance in self.advances]

    @property
    def lengths(self) -> list[list[int]]:
        """How much each worker might draw in each advance; 0 for one that rests."""
        return [[each.max_tokens if each else 0 for each in samplings] for samplings in self.asked]

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


def strategy(**knobs: object) -> Hogwild:
    """Hogwild! with short words."""
    return Hogwild(**{**SHORT, **knobs})


async def run(engine: ScriptedWorkers, query: Query = QUERY, budget: Budget = Budget(), **knobs: object) -> Result:
    """What it gives."""
    async with Runtime({"generator": engine}) as runtime:
        return await runtime.run(strategy(**knobs), query, budget=budget)
