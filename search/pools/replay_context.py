"""The context of a replay: draws are found in pools, and what was judged in one order is known in the others."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ...orchestrator.budget import Reservation
from ...orchestrator.context import AnswerReader, Context
from ...orchestrator.deferred import Deferred
from ...orchestrator.draw import Ask
from ...orchestrator.effects import Places, Started
from ...orchestrator.engine import Prompt
from ...orchestrator.run_state import Run
from ...orchestrator.types import Candidate, Query, Usage
from ...orchestrator.verifier import Verifier
from .recorded import PAST, Recorded, Told


class ReplayContext(Context):
    """A strategy's door in one replay: as its own, but nothing is drawn, and every draw is charged as if it were.

    Args:
        run: of this replay.
        strategy: its kind.
        path: where it stands.
        recorded: what is known of the query.
        left: the keys of the draws that are left of each pool, in the order of this replay; shared with its children.
    """

    def __init__(self, run: Run, strategy: str, path: str, recorded: Recorded, left: dict[bytes, list[bytes]]) -> None:
        super().__init__(run, strategy, path)
        self._recorded = recorded
        self._left = left

    def child(self, name: str, strategy: str, *, is_last: bool = False) -> ReplayContext:
        """The context of a part; nobody watches a replay, so which is last does not matter."""
        return ReplayContext(self._run, strategy, f"{self.path}.{name}", self._recorded, self._left)

    async def score(self, query: Query, candidates: Sequence[Candidate], verifier: Verifier) -> list[Candidate]:
        """The candidates, each with the verifier's score, which is charged once."""
        if verifier.is_relative or (query is not self._recorded.query and query != self._recorded.query):
            return await super().score(query, candidates, verifier)
        judged = []
        for candidate in candidates:
            told = await self._recorded.told(candidate, verifier, self._alone)
            if told.score.value is None or not self._charged(told):
                judged += await super().score(query, [candidate], verifier)
            else:
                judged.append(candidate.with_score(verifier.name, told.score))
        return judged

    async def answer(self, candidates: Sequence[Candidate], key: AnswerReader) -> list[Candidate]:
        """The candidates, each with its canonical answer."""
        known = self._recorded.answers(key)
        if unread := [each for each in candidates if each.text not in known]:
            known.update({each.text: each.answer for each in await super().answer(unread, key)})
        return [each.with_answer(known[each.text]) for each in candidates]

    def _charged(self, told: Told) -> bool:
        """Charge for a judgement unless it is charged already; False where that is so of a part of it."""
        read = self._run.read
        if told.read.isdisjoint(read):
            read |= told.read
            self._run.ledger.charge(told.usage)
            return True
        return told.read <= read

    async def _alone(self, candidate: Candidate, verifier: Verifier) -> Told:
        """What a verifier says of a candidate in a run that does nothing else, and what that costs."""
        run = self._recorded.run("alone")
        [judged] = await Context(run, self._strategy).score(self._recorded.query, [candidate], verifier)
        return Told(judged.scores[verifier.name], frozenset(run.read), run.ledger.spent)

    async def _start(
        self, ask: Ask, prompt: Prompt, places: Places, started: list[Started], leaving: Usage = Usage()
    ) -> None:
        loop = asyncio.get_running_loop()
        for i in range(ask.n):
            key, index = places.at(i)
            done = await self._recorded.completion(key)
            self._run.ledger.charge(done.usage)
            found: Started = loop.create_future()
            found.set_result(self._candidate(ask, done, index))
            started.append(found)

    async def _draw(
        self,
        ask: Ask,
        prompt: Prompt,
        bound: Usage,
        rest: Usage | None,
        held: Reservation | Deferred,
        place: tuple[bytes, int],
    ) -> Candidate | None:
        key, index = place
        done = await self._recorded.completion(key)
        held.settle(done.usage)
        return self._candidate(ask, done, index)

    def _content(self, ask: Ask, prompt: Prompt) -> bytes:
        return self._recorded.pool(ask) or super()._content(ask, prompt)

    def _places(self, content: bytes, n: int) -> Places:
        places = super()._places(content, n)
        if (left := self._left.get(content)) is None:
            return places
        taken, left[:n] = left[:n], []
        return _Taken(taken, places.at(0)[1])

    async def _check(self, asked: Sequence[tuple[bytes, int]]) -> None:
        """Nothing: what a replay asks is no part of what was run."""


class _Taken(Places):
    """The keys and indices of draws that a pool serves."""

    __slots__ = ("_keys",)

    def __init__(self, keys: Sequence[bytes], created: int) -> None:
        super().__init__(PAST, 0, created)
        self._keys = keys

    def at(self, i: int) -> tuple[bytes, int]:
        """The key of the `i`-th draw, which is no draw's past the end of the pool, and its index in the context."""
        return self._keys[i] if i < len(self._keys) else PAST, self._created + i
