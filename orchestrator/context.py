"""The context: a strategy's only door to effects.

Every effect has a key made of what is asked (engine, prompt, sampling), where (the structural path), and which draw
it is; never of when. Each pays the ledger before it starts and is recorded in the journal, so that the same strategy
over the same journal gets the same values at any concurrency, and a draw made once is made for everyone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Protocol, TypeVar

import numpy as np
import orjson
from pydantic import TypeAdapter

from .budget import Budget, Ledger, Reservation, amounts
from .canonical import canonical_json, digest
from .draw import Attempts, Draw, draw_key, seed_of, within
from .engine import Engine, Prompt, Reading, Request, Sampling, check_draws, check_fits
from .errors import BudgetExceeded, EngineError, JournalError, UsageError, VerifierError
from .run_state import Run as Run
from .shape import Plan
from .types import Candidate, Query, Score, Usage
from .verifier import Verifier

T = TypeVar("T")
READING = TypeAdapter(Reading)
SCORE = TypeAdapter(Score)
GRACE_S = 0.1


class AnswerReader(Protocol):
    """Reads the canonical answer of each text; equal answers have equal keys, None abstains."""

    @property
    def is_recorded(self) -> bool:
        """Whether a key depends on more than its text (a time limit, say) and so must be journalled."""

    async def keys(self, texts: Sequence[str]) -> list[str | None]: ...


class Context:
    """One strategy's door to effects, at one structural path of a run."""

    def __init__(self, run: Run, strategy: str, path: str = "0") -> None:
        self._run = run
        self._strategy = strategy
        self.path = path
        self._draws: Counter[bytes] = Counter()
        self._created = 0
        self._steps = 0

    def child(self, name: str, strategy: str) -> Context:
        """The context of a part that draws independently: a node, a branch, a round."""
        return Context(self._run, strategy, f"{self.path}.{name}")

    async def plan(self, query: Query) -> Plan:
        """A plan that counts what strategies may cost on `query`."""
        try:
            async with self._run.in_time():
                return await plan_for(query, self._run.engines)
        except BudgetExceeded:
            return Plan(self._run.engines)  # nothing will be drawn any more

    def room(self) -> Budget:
        """What the budget still holds."""
        return self._run.ledger.room()

    @property
    def is_stopped(self) -> bool:
        """Whether the budget or the deadline has ended this run."""
        return self._run.stopped != "done"

    def note(self, error: Exception) -> None:
        """Note in the result that one part of the work is of no use; the run goes on with the rest."""
        self._run.fail(error)

    def rng(self, name: str = "") -> np.random.Generator:
        """Random numbers that depend on the seed, the replicate, the path and `name` alone."""
        key = digest("rng", self._run.seed, self._run.replicate, self._run.task, self.path, name)
        return np.random.default_rng(int.from_bytes(key, "big"))

    async def sample(
        self,
        query: Query,
        n: int,
        sampling: Sampling,
        *,
        engine: str = "generator",
        after: Candidate | None = None,
        then: Verifier | None = None,
    ) -> list[Candidate]:
        """Draw `n` candidates, in the order of their index.

        Fewer come back when the budget or the deadline ends the run, or where a draw fails for good.

        Args:
            query: what is asked.
            n: draws, 1 to 4096.
            sampling: how to draw.
            engine: the engine's name in the pipeline.
            after: the partial candidate to continue; None starts afresh.
            then: the verifier that will judge each draw; its cost is set aside with the draw's.
        """
        check_draws(n)
        prompt = _prompt(query, after)
        content = self._content("sample", engine, prompt, sampling)
        await self._check(content, n)
        first = self._draws[content]
        self._draws[content] += n
        created, self._created = self._created, self._created + n
        started: list[asyncio.Task[Candidate | None]] = []
        try:
            bound, rest = await self._bounds(prompt, sampling, engine, then)
            whole = bound + rest if rest else bound
            for i in range(n):
                held = await self._run.ledger.reserve(whole)
                key = draw_key(content, first + i)
                request = Request(prompt, sampling, seed_of(key))
                draw = self._draw(
                    Draw(self._engine(engine), request, bound, engine), key, rest, held, after, created + i
                )
                started.append(asyncio.create_task(draw))
        except BudgetExceeded as error:
            self._run.stop(error)
        except EngineError as error:
            self._run.fail(error)
        except asyncio.CancelledError:
            await _cancel(started)
            raise
        return [candidate for candidate in await self._collect(started) if candidate is not None]

    async def score(self, query: Query, candidates: Sequence[Candidate], verifier: Verifier) -> list[Candidate]:
        """The candidates, each with the verifier's score under its name.

        A verifier that fails, whatever it raises, and one the budget cannot pay, leaves ``Score(None)``.
        """
        unique: dict[tuple[object, ...], Candidate] = {}
        for candidate in candidates:
            unique.setdefault((candidate.text, candidate.path_tokens, candidate.finish), candidate)
        scores = dict(zip(unique, await self._scores(query, list(unique.values()), verifier), strict=True))
        for candidate in candidates:
            if (held := self._run.kept.pop((candidate.origin, candidate.index), None)) is not None:
                held.release()
        return [_judged(c, verifier.name, scores[c.text, c.path_tokens, c.finish]) for c in candidates]

    async def read(self, query: Query, candidates: Sequence[Candidate], engine: str) -> list[Reading | None]:
        """What a reward model reads on each candidate; None where the budget or the engine failed."""
        started: list[asyncio.Task[Reading | None]] = []
        try:
            for candidate in candidates:
                prompt = _prompt(query, candidate)
                held = self._run.kept.pop((candidate.origin, candidate.index), None)
                key = digest("read", self._engine(engine).identity, prompt.messages, prompt.tokens, prompt.text)
                bound = await self._reading(prompt, engine)
                if held is not None and not _covers(held.bound, bound):
                    held.release()  # set aside by another tokenizer's count
                    held = None
                held = held or await self._run.ledger.reserve(Usage() if key in self._run.read else bound)
                started.append(asyncio.create_task(self._read(key, prompt, engine, bound, held)))
        except BudgetExceeded as error:
            self._run.stop(error)
        except EngineError as error:
            self._run.fail(error)
        except asyncio.CancelledError:
            await _cancel(started)
            raise
        values = await self._collect(started)
        return values + [None] * (len(candidates) - len(values))

    async def answer(self, candidates: Sequence[Candidate], key: AnswerReader) -> list[Candidate]:
        """The candidates, each with its canonical answer; None abstains.

        What cannot be read, or not in time, abstains. At the deadline a tenth of a second remains for what takes no
        longer, so that what was drawn in time can still vote.
        """
        texts = list(dict.fromkeys(candidate.text for candidate in candidates))
        what = f"answer {getattr(key, 'kind', type(key).__name__)!r}"
        found = [asyncio.create_task(self._guarded(self._key(text, key), what)) for text in texts]
        answers = dict(zip(texts, await self._collect(found, GRACE_S), strict=True))
        return [candidate.with_answer(answers[candidate.text]) for candidate in candidates]

    async def _key(self, text: str, key: AnswerReader) -> str | None:
        async def call() -> tuple[bytes, Usage]:
            return canonical_json(await self._plain_key(text, key)), Usage()

        if not key.is_recorded:
            return await self._plain_key(text, key)
        where = digest("answer", key, text)
        value: str | None = orjson.loads(
            await self._run.journal.draw(where, Usage(), call, nullcontext(), Ledger(Budget()))
        )
        return value

    async def _plain_key(self, text: str, key: AnswerReader) -> str | None:
        found = await key.keys([text])
        if len(found) != 1:
            raise VerifierError(f"an answer key must give one answer a text, got {len(found)} for one")
        return found[0]

    async def _count(self, prompt: Prompt, engine: str) -> int:
        """The prompt's tokens on an engine.

        Raises:
            BudgetExceeded: the deadline came first.
        """
        async with self._run.in_time():
            return await self._engine(engine).count(prompt)

    async def _reading(self, prompt: Prompt, engine: str) -> Usage:
        """The most that reading a prompt may cost; what exceeds the context by an exact count is refused unread."""
        tokens, can = await self._count(prompt, engine), self._engine(engine).capabilities
        return self._engine(engine).meter.reading(min(tokens, can.context_length) if can.exact_count else tokens)

    async def _bounds(
        self, prompt: Prompt, sampling: Sampling, engine: str, then: Verifier | None
    ) -> tuple[Usage, Usage | None]:
        source = self._engine(engine)
        tokens = await self._count(prompt, engine)
        check_fits(source.capabilities, tokens, sampling.max_tokens, engine)
        rest = then.bound(self._run.engines, tokens, sampling.max_tokens) if then else Usage()
        return source.meter.generation(tokens, sampling.max_tokens), rest if rest != Usage() else None

    async def _draw(
        self, draw: Draw, key: bytes, rest: Usage | None, held: Reservation, after: Candidate | None, index: int
    ) -> Candidate | None:
        run = self._run
        try:
            value = await run.journal.draw(key, draw.bound, draw.call, run.gates[draw.name], run.account)
            done = draw.known(value)
        except BaseException as error:
            self._lost(error, held, draw)
            return None
        if rest is not None:
            held.settle_keeping(done.usage, rest)
            run.kept[self.path, index] = held
        else:
            held.settle(done.usage)
        return Candidate(
            done.tokens, done.text, done.finish, after, index, done.logprobs, origin=self.path, usage=done.usage
        )

    async def _read(self, key: bytes, prompt: Prompt, engine: str, bound: Usage, held: Reservation) -> Reading | None:
        run, attempts = self._run, Attempts(bound)

        async def call() -> tuple[bytes, Usage]:
            reading = await attempts.attempt(self._engine(engine).read(prompt))
            return canonical_json(reading), within(reading.usage, bound, engine)

        try:
            value = await run.journal.draw(key, bound, call, run.gates[engine], run.account)
            reading = READING.validate_json(value)
        except BaseException as error:
            self._lost(error, held, attempts)
            return None
        held.settle(Usage() if key in run.read else reading.usage)
        run.read.add(key)
        return reading

    def _lost(self, error: BaseException, held: Reservation, attempts: Attempts) -> None:
        """Settle for one part that failed, and lose that part alone; what is no failure of a part is raised again.

        It is charged once, in full; nothing where no attempt cost anything, or the account could not pay for it.
        """
        if isinstance(error, BudgetExceeded):
            held.release()
            self._run.is_starved = True
            self._run.stop(error)
            return
        held.settle(attempts.due(error))
        if not isinstance(error, EngineError):
            raise error
        self._run.fail(error)

    async def _scores(self, query: Query, candidates: Sequence[Candidate], verifier: Verifier) -> list[Score]:
        ctx = self.child(verifier.name, verifier.kind)
        judge = ctx._recorded_scores if verifier.is_recorded else ctx._plain_scores
        try:
            scores = await judge(query, candidates, verifier)
            if len(scores) != len(candidates):
                raise VerifierError(f"{verifier.name} must give {len(candidates)} scores, got {len(scores)}")
        except JournalError:
            raise
        except Exception as error:
            self._missed(error, verifier.name)
            return [Score(None, detail=self._run.reason)] * len(candidates)
        return scores

    async def _plain_scores(self, query: Query, candidates: Sequence[Candidate], verifier: Verifier) -> list[Score]:
        """What a verifier that asks an engine has asked in time is kept: its effects have the deadline themselves."""
        if verifier.engine_names():
            return await verifier.score(query, candidates, self)
        judging = asyncio.create_task(verifier.score(query, candidates, self))
        late = [Score(None, detail="not judged in time")] * len(candidates)
        return (await self._collect([judging], GRACE_S))[0] or late

    async def _recorded_scores(self, query: Query, candidates: Sequence[Candidate], verifier: Verifier) -> list[Score]:
        judge = digest("score", verifier.model_dump(mode="json"), query.messages, query.reference)

        async def one(candidate: Candidate) -> Score:
            async def call() -> tuple[bytes, Usage]:
                return canonical_json((await verifier.score(query, [candidate], self))[0]), Usage()

            key = digest(judge, candidate.text)
            drawn = await self._run.journal.draw(key, Usage(), call, nullcontext(), self._run.account)
            return SCORE.validate_json(drawn)

        found = await self._collect([asyncio.create_task(self._guarded(one(c), verifier.name)) for c in candidates])
        return [score or Score(None, detail=self._run.reason) for score in found]

    async def _guarded(self, work: Coroutine[Any, Any, T], what: str) -> T | None:
        """Run one part; its failure loses that part alone."""
        try:
            return await work
        except JournalError:
            raise
        except Exception as error:
            self._missed(error, what)
        return None

    def _missed(self, error: Exception, what: str) -> None:
        """Note that `what` could not tell, and why; a plug-in may raise anything."""
        if isinstance(error, BudgetExceeded):
            self._run.stop(error)
        elif isinstance(error, (EngineError, VerifierError)):
            self._run.fail(error)
        else:
            self._run.fail(VerifierError(f"{what} must tell or abstain, but raised {type(error).__name__}: {error}"))

    async def _collect(self, tasks: Sequence[asyncio.Task[T | None]], grace_s: float = 0.0) -> list[T | None]:
        """The results in the order started; `grace_s` after the deadline what is unfinished is cancelled and None."""
        try:
            for task in tasks:  # one after the other: most have ended by the time the first has
                if not task.done() and not (await asyncio.wait((task,), timeout=self._seconds(grace_s)))[0]:
                    break
        except asyncio.CancelledError:
            await _cancel(tasks)
            raise
        if late := [task for task in tasks if not task.done()]:
            self._run.end_in_time()
            await _cancel(late)
        for task in tasks:
            task.cancelled() or task.exception()  # looked at, or asyncio reports all failures after the first
        return [None if task.cancelled() else task.result() for task in tasks]

    def _seconds(self, grace_s: float) -> float | None:
        left = self._run.seconds_left()
        return left if left is None else left + grace_s

    async def _check(self, content: bytes, n: int) -> None:
        place = f"{self._run.task}/{self.path}/{self._steps}"
        self._steps += 1
        await self._run.journal.check(place, self._strategy, digest(content, n))

    def _content(self, verb: str, engine: str, prompt: Prompt, sampling: Sampling) -> bytes:
        run = self._run
        what = (verb, self._engine(engine).identity, prompt.messages, prompt.tokens, prompt.text, sampling)
        return digest(what, self.path, run.seed, run.replicate)

    def _engine(self, name: str) -> Engine:
        try:
            return self._run.engines[name]
        except KeyError:
            known = ", ".join(sorted(self._run.engines)) or "none"
            raise UsageError(
                f"engine must be one of the pipeline's ({known}), got {name!r}; add it or rename it"
            ) from None


async def plan_for(query: Query, engines: Mapping[str, Engine]) -> Plan:
    """A plan with the length of the query's prompt on each engine."""
    prompt = Prompt(query.messages)
    return Plan(engines, {name: await engine.count(prompt) for name, engine in engines.items()})


def _prompt(query: Query, after: Candidate | None) -> Prompt:
    return Prompt(query.messages) if after is None else Prompt(query.messages, after.path_tokens, after.text)


def _judged(candidate: Candidate, verifier: str, score: Score) -> Candidate:
    """The candidate with its score; one that could not be told anew keeps what it had."""
    known = candidate.scores.get(verifier)
    is_worse = score.value is None and known is not None and known.value is not None
    return candidate if is_worse else candidate.with_score(verifier, score)


def _covers(held: Usage, bound: Usage) -> bool:
    return all(amount <= limit for amount, limit in zip(amounts(bound), amounts(held), strict=True))


async def _cancel(tasks: Sequence[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
