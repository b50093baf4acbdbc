"""What a journal holds of one query, read once and never written: pools of draws, and what was said of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass

import numpy as np

from ...orchestrator.budget import Budget, Ledger
from ...orchestrator.canonical import digest
from ...orchestrator.context import AnswerReader
from ...orchestrator.draw import COMPLETION, Ask, draw_key
from ...orchestrator.effects import Effects
from ...orchestrator.engine import Completion, Engine, Prompt, Sampling
from ...orchestrator.errors import JournalError, UsageError
from ...orchestrator.images import Image
from ...orchestrator.journal import Bound, Call, Journal, Store
from ...orchestrator.journal_file import Row
from ...orchestrator.run_state import Run
from ...orchestrator.types import Candidate, Query, Score, Usage
from ...orchestrator.verifier import Verifier
from .needs import Need

ROOT = "0"
"""The structural path of a strategy that runs by itself: where pools are drawn."""
PAST = b""
"""The key of what lies past the end of a pool; no effect has it."""
NO_LIMIT = Budget()

Label = Callable[[Candidate], Awaitable[float]]


class NotRecorded(JournalError):
    """A replay came to something that the journal does not hold: it is censored there."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a verifier said of one candidate.

    Args:
        score: what it said.
        read: the keys of the judgements it asked engines for.
        usage: what these cost.
    """

    score: Score
    read: frozenset[bytes]
    usage: Usage


class Recorded:
    """One query's pools, and whatever else the journal tells of it.

    A pool serves every part of a strategy that draws alike from the query's own prompt, wherever in the strategy it
    stands, and no draw twice. Its size is what was drawn on purpose, and is stated: draws beyond it, which strategies
    made as they went, are there or not depending on what came before them, so that to use them would bias.

    What costs nothing, such as answers read or programs run by rules, is done anew where it is not recorded.

    Args:
        store: the journal's rows.
        query: what was asked.
        engines: by the names that strategies use; they are asked for no draw.
        pools: what was drawn, each by a task of its own that drew nothing else (a `Sample` or a `BestOfN`).
        label: how right an answer is, 0 to 1; asked once for each text or image.
        seed: of the draws; `replicate` too.

    Raises:
        UsageError: a pool is of an engine that is not there.
    """

    def __init__(
        self,
        store: Store,
        query: Query,
        engines: Mapping[str, Engine],
        pools: Sequence[Need],
        label: Label,
        *,
        seed: int = 0,
        replicate: int = 0,
    ) -> None:
        self.query = query
        self._engines = engines
        self._label = label
        self._seed = seed
        self._replicate = replicate
        self._journal = _Reading(store)
        self._gates = {name: nullcontext() for name in engines}
        self._pools: dict[tuple[str, Sampling], bytes] = {}
        self._sizes: dict[bytes, int] = {}
        root, prompt = Effects(self.run("pools"), "pools", ROOT), Prompt(query.messages, images=query.images)
        for pool in pools:
            content = root._content(Ask(query, pool.sampling, engine=pool.engine), prompt)
            self._pools[pool.engine, pool.sampling] = content
            self._sizes[content] = max(pool.draws, self._sizes.get(content, 0))
        self._orders: dict[int, dict[bytes, list[bytes]]] = {}
        self._completions: dict[bytes, Completion] = {}
        self._labels: dict[str | Image, float] = {}
        self._answers: dict[int, tuple[AnswerReader, dict[str, str | None]]] = {}
        self._told: dict[int, tuple[Verifier, dict[tuple[object, ...], Told]]] = {}

    def run(self, name: str) -> Run:
        """A run that finds and never pays; `name` names it among those of the query."""
        return Run(
            task=f"{self.query.id}/{name}",
            engines=self._engines,
            gates=self._gates,
            ledger=Ledger(NO_LIMIT),
            account=Ledger(NO_LIMIT),
            journal=self._journal,
            seed=self._seed,
            replicate=self._replicate,
        )

    def order(self, number: int) -> dict[bytes, list[bytes]]:
        """The keys of each pool's draws in one of its orders; number 0 is the order in which they were drawn."""
        if number not in self._orders:
            self._orders[number] = {
                content: [draw_key(content, i) for i in _order(self.query.id, content, size, number)]
                for content, size in self._sizes.items()
            }
        return {content: list(keys) for content, keys in self._orders[number].items()}

    def pool(self, ask: Ask) -> bytes | None:
        """The name of the pool that an ask draws from; None where it follows a text or asks something else.

        Raises:
            NotRecorded: it draws from the query's own prompt, but in a way of which there is no pool.
        """
        if ask.after is not None or (ask.query is not self.query and _said(ask.query) != _said(self.query)):
            return None
        if (found := self._pools.get((ask.engine, ask.sampling))) is not None:
            return found
        raise NotRecorded(f"a pool of engine {ask.engine!r} and sampling {ask.sampling!r} must be drawn, but is not")

    async def completion(self, key: bytes) -> Completion:
        """The draw recorded at `key`.

        Raises:
            NotRecorded: there is none, or it was lost.
        """
        found = self._completions.get(key)
        if found is None:
            if not self._completions:
                await self._journal.get([key for keys in self.order(0).values() for key in keys])  # all at once
            found = self._completions[key] = COMPLETION.validate_json(await self._journal.value(key))
        return found

    async def told(
        self, candidate: Candidate, verifier: Verifier, judge: Callable[[Candidate, Verifier], Awaitable[Told]]
    ) -> Told:
        """What a verifier says of a candidate by itself, found by `judge` the first time."""
        _, known = self._told.setdefault(id(verifier), (verifier, {}))
        seen = candidate.seen
        if seen not in known:
            known[seen] = await judge(candidate, verifier)
        return known[seen]

    def answers(self, key: AnswerReader) -> dict[str, str | None]:
        """The answers that were read by `key` so far, by their texts."""
        return self._answers.setdefault(id(key), (key, {}))[1]

    async def label(self, candidates: Sequence[Candidate]) -> float:
        """How right the first of some candidates is; none is wrong.

        Raises:
            UsageError: the label is not between 0 and 1.
        """
        if not candidates:
            return 0.0
        shown = candidates[0].image or candidates[0].text
        if shown not in self._labels:
            value = await self._label(candidates[0])
            if not 0 <= value <= 1:
                raise UsageError(f"a label must be between 0 and 1, got {value!r}; scale it to that range")
            self._labels[shown] = value
        return self._labels[shown]


class _Reading(Journal):
    """A journal that is read alone: what it does not hold and would cost something ends the run."""

    def __init__(self, store: Store) -> None:
        self._known: dict[bytes, bytes | None] = {PAST: None}
        self._source = store
        super().__init__(self)

    async def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The recorded effects among `keys`, each read once."""
        if unread := [key for key in keys if key not in self._known]:
            found = await self._source.get(unread)
            self._known.update({key: found.get(key) for key in unread})
        return {key: value for key in keys if (value := self._known[key]) is not None}

    async def value(self, key: bytes) -> bytes:
        """The effect at `key`.

        Raises:
            NotRecorded: there is none.
        """
        found = self._known.get(key) or (await self.get([key])).get(key)
        if found is None:
            raise NotRecorded("what a replay asks must be recorded, but is not, or was lost; draw or judge more")
        return found

    async def draw(
        self, key: bytes, bound: Bound, call: Call, gate: AbstractAsyncContextManager[object], account: Ledger
    ) -> bytes:
        """The effect at `key`: found, or made where it costs nothing.

        Raises:
            NotRecorded: it would have to be paid.
        """
        if bound == Usage() and not (await self.get([key])):
            self._known[key] = (await call())[0]
        return await self.value(key)

    async def check(self, place: str, strategy: str, digest: bytes) -> None:
        """Nothing: what a replay asks is no part of what was run."""

    async def step(self, run: int, place: str) -> tuple[str, bytes] | None:
        return None

    async def append(self, rows: list[Row]) -> None:
        raise NotRecorded(f"a replay must write nothing, but it would write {rows[0][0]}")


def _order(query: str, content: bytes, size: int, number: int) -> list[int]:
    """The places of a pool in one of its orders: order 0 is as drawn.

    Each order by itself is uniform, as any order of independent draws is. `size` of them together are a Latin square,
    which puts each draw in each place once, so that an average over them has no noise in how often a draw comes first.
    """
    square, turn = divmod(number, size)
    rng = np.random.default_rng(int.from_bytes(digest("order", query, content, square), "big"))
    steps = rng.permutation(size)
    draws = rng.permutation(size) if square else np.argsort(steps)
    return [int(place) for place in draws[(steps + turn) % size]]


def _said(query: Query) -> tuple[object, ...]:
    return query.messages, query.images
