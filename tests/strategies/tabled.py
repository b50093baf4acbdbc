"""An engine that goes on from a text by a table, and a judge that reads the last line."""

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from ponder.orchestrator.engine import Completion, Request
from ponder.orchestrator.engines.byte_vocabulary import END, decode, encode
from ponder.orchestrator.engines.simulated import SimulatedEngine, SimulatedSpec
from ponder.orchestrator.types import Candidate, Finish, Query, Score
from ponder.orchestrator.verifier import Verifier


class Tabled(SimulatedEngine):
    """Writes what a table says after the longest end of the text that is in it, one of the choices a draw, in turn.

    What it writes ends at a stop string, at the most tokens, or with the end token. A prompt that holds a key of
    `replies` gets the next of its replies instead, and nothing when they are used up.
    `asked` are the texts that it went on from, `prompts` the prompts that got a reply.
    """

    def __init__(self, table: Mapping[str, Sequence[str]], replies: Mapping[str, Sequence[str]] = {}) -> None:
        super().__init__(SimulatedSpec())
        self._identity = f"tabled:{dict(table)}:{dict(replies)}"
        self._table, self._turns = table, dict.fromkeys(table, 0)
        self._replies = {key: iter(texts) for key, texts in replies.items()}
        self.asked: list[str] = []
        self.prompts: list[str] = []

    async def complete(self, request: Request) -> Completion:
        text, stops = self._text(request), request.sampling.stop
        ends = [text.find(stop) + len(stop) for stop in stops if stop in text]
        end, most = min(ends, default=len(text) + 1), request.sampling.max_tokens
        finish = Finish.STOP if ends and end <= most else Finish.EOS if end <= most else Finish.TOTAL_LENGTH
        tokens = (*encode(text), END)[: min(end, most)]
        usage = self.meter.generation(await self.count(request.prompt), len(tokens))
        return Completion(tokens, text[: len(tokens)], finish, usage)

    def _text(self, request: Request) -> str:
        said = request.prompt.messages[-1].content
        if asked := next((key for key in self._replies if key in said), None):
            self.prompts.append(said)
            return next(self._replies[asked], "")
        so_far = decode(request.prompt.tokens) or request.prompt.text
        self.asked.append(so_far)
        key = max((key for key in self._table if so_far.endswith(key)), key=len)
        self._turns[key] += 1
        return self._table[key][(self._turns[key] - 1) % len(self._table[key])]


class LastNumber(Verifier):
    """The last number written, as a score; None where there is none."""

    kind: Literal["last_number"] = "last_number"

    async def score(self, query: Query, candidates: Sequence[Candidate], ctx: object) -> list[Score]:
        found = [re.findall(r"\d+", each.text) for each in candidates]
        return [Score(float(numbers[-1]), scale="reward") if numbers else Score(None) for numbers in found]
