"""A model that does whatever Archon's layers ask of it, so that each of their calls has something to work on."""

import re

from ponder.orchestrator.engine import Completion, Request
from ponder.orchestrator.engines.byte_vocabulary import END, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.types import Finish

SHOWN = re.compile(r"\[\d+\]\n== \w+ ==\n")


class ReadableJudge(SimulatedEngine):
    """Criticises, orders, approves, tests and fuses as asked; answers and fusions are new texts, one a draw."""

    def __init__(self, name: str = "judge") -> None:
        super().__init__(SimulatedSpec(context_length=1_000_000))
        self._identity = f"readable:{name}"

    async def complete(self, request: Request) -> Completion:
        prompt = "\n".join(message.content for message in request.prompt.messages)
        text = reply(prompt, request.seed)
        usage = self.meter.generation(await self.count(request.prompt), len(text) + 1)
        return Completion((*encode(text), END), text, Finish.EOS, usage)


def reply(prompt: str, seed: int) -> str:
    count = len(SHOWN.findall(prompt))
    if "tell its strengths" in prompt:
        return "\n".join(f"[{i}]\nStrengths: {seed}." for i in range(1, count + 1))
    if "Order all responses" in prompt:
        return " > ".join(f"[{i}]" for i in range(count, 0, -1))
    if "Write up to" in prompt:
        return '["It is a number.", "It is even."]'
    if "For each unit test" in prompt:
        return f"Unit Test #1: [Passed]\nUnit Test #2: [{'Passed' if seed % 2 else 'Failed'}]"
    if "Do not give a verdict" in prompt:
        return "It is a number."
    if "[Correct] or [Incorrect]" in prompt:
        return "[Correct]" if seed % 2 else "[Incorrect]"
    return f"answer: {seed}"
