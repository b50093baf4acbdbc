"""An engine that answers each conversation by a function of its text, and remembers what it was asked."""

from collections.abc import Callable

from ponder.orchestrator.engine import Completion, Request, Sampling
from ponder.orchestrator.engines.byte_vocabulary import END, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.types import Finish


class Answering(SimulatedEngine):
    """Writes what `answer` says to the conversation, its turns laid below one another; None is a call refused.

    Args:
        answer: the reply to a conversation.
        name: tells its draws from those of other engines.
    """

    def __init__(self, answer: Callable[[str], str | None], name: str = "") -> None:
        super().__init__(SimulatedSpec(context_length=1_000_000))
        self._identity = f"answering:{name}"
        self._answer = answer
        self.prompts: list[str] = []
        self.samplings: list[Sampling] = []

    async def complete(self, request: Request) -> Completion:
        prompt = "\n".join(message.content for message in request.prompt.messages)
        self.prompts.append(prompt)
        self.samplings.append(request.sampling)
        text = self._answer(prompt)
        if text is None:
            raise EngineRefused("the call must be answered, but is not; ask another")
        usage = self.meter.generation(await self.count(request.prompt), len(text.encode()) + 1)
        return Completion((*encode(text), END), text, Finish.EOS, usage)


def in_turn(*texts: str | None) -> Callable[[str], str | None]:
    """An answer that gives `texts` one after the other, the last one for ever."""
    left = list(texts)
    return lambda prompt: left.pop(0) if len(left) > 1 else left[0]
