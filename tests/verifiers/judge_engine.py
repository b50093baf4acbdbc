"""A judge that a test writes itself: what it says and how sure it is are functions of the prompt."""

import math
import re
from collections.abc import Callable, Sequence

from ponder.orchestrator.engine import LOWEST_LOGPROB, Completion, Prompt, Request, Sampling
from ponder.orchestrator.engines.byte_vocabulary import END, decode, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.errors import EngineRefused
from ponder.orchestrator.types import Finish

FENCED = re.compile(r"^(== [0-9a-f]{16} ==)\n(.*?)\n\1$", re.MULTILINE | re.DOTALL)
Says = Callable[[Prompt], str | None]
Chances = Callable[[Prompt, Sequence[str]], Sequence[float]]


class JudgeEngine(SimulatedEngine):
    """Replies what `says` says of a prompt, and gives labels the probabilities that `chances` gives them.

    Its vocabulary is bytes: of a label, `chances` sees the first one alone. A call without its function is refused, as
    is one whose function gives None or nothing.

    Args:
        says: the reply to a prompt, cut where the sampling ends it.
        chances: the probability of each label, in order, after a prompt.
        name: tells its replies from those of other judges.
    """

    def __init__(self, says: Says | None = None, chances: Chances | None = None, name: str = "") -> None:
        super().__init__(SimulatedSpec(context_length=1_000_000, prompt_price=1.0, completion_price=2.0))
        self._identity = f"judge:{name}"
        self._says, self._chances = says, chances
        self.prompts: list[Prompt] = []
        self.samplings: list[Sampling] = []

    @property
    def calls(self) -> int:
        return len(self.prompts)

    async def complete(self, request: Request) -> Completion:
        self.prompts.append(request.prompt)
        self.samplings.append(request.sampling)
        tokens = await self.count(request.prompt)
        return self._labels(request, tokens) if request.labels else self._reply(request, tokens)

    def _reply(self, request: Request, prompt_tokens: int) -> Completion:
        text = self._says(request.prompt) if self._says else None
        if text is None:
            raise EngineRefused("the call must be answered, but is not; ask another")
        written = (*encode(text), END)[: request.sampling.max_tokens]
        finish = Finish.EOS if written[-1] == END else Finish.TOTAL_LENGTH
        usage = self.meter.generation(prompt_tokens, len(written), judging=request.is_judging)
        return Completion(written, decode(written), finish, usage)

    def _labels(self, request: Request, prompt_tokens: int) -> Completion:
        labels = [decode((label,)) for label in request.labels]
        chances = self._chances(request.prompt, labels) if self._chances else ()
        if not chances:
            raise EngineRefused("the labels must have chances, but have none; ask another")
        logprobs = tuple(math.log(chance) if chance else LOWEST_LOGPROB for chance in chances)
        best = request.labels[logprobs.index(max(logprobs))]
        usage = self.meter.generation(prompt_tokens, 1, judging=True)
        return Completion((best,), decode((best,)), Finish.TOTAL_LENGTH, usage, None, logprobs)


def prompt_text(prompt: Prompt) -> str:
    """The conversation, its turns laid below one another."""
    return "\n".join(message.content for message in prompt.messages)


def fenced_texts(prompt: Prompt) -> list[str]:
    """What stands between fences, in order: the question, where it is fenced, then the responses."""
    return [text for _, text in FENCED.findall(prompt_text(prompt))]
