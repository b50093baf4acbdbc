"""The context: a strategy's only door to effects.

Every effect has a key made of what is asked (engine, prompt, sampling), where (the structural path), and which draw
it is; never of when. Each pays the ledger before it starts and is recorded in the journal, so that the same strategy
over the same journal gets the same values at any concurrency, and a draw made once is made for everyone.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import nullcontext
from typing import Any, Protocol, TypeVar

import numpy as np
import orjson
from pydantic import TypeAdapter

from .budget import Budget, Ledger
from .canonical import canonical_json, digest
from .draw import COMPLETION
from .draw import Ask as Ask
from .effects import Effects, Started, cancel, prompt_of
from .engine import Engine, Prompt, Reading, Request, Sampling, check_draws
from .errors import BudgetExceeded, EngineError, EngineRefused, JournalError, VerifierError
from .launch import launched
from .run_state import Run as Run
from .shape import Plan
from .types import Candidate, Finish, Query, Score, Usage
from .verifier import Executor, Verifier

T = TypeVar("T")
READING = TypeAdapter(Reading)
SCORE = TypeAdapter(Score)
OUTPUTS: TypeAdapter[list[str | None]] = TypeAdapter(list[str | None])
GRACE_S = 0.1
ONE_TOKEN = Sampling(temperature=0.0, max_tokens=1)


class AnswerReader(Protocol):
    """Reads the canonical answer of each text; equal answers have equal keys, None abstains."""

    @property
    def is_recorded(self) -> bool:
        """Whether a key depends on more than its text (a time limit, say) and so must be journalled."""

    async def keys(self, texts: Sequence[str]) -> list[str | None]: ...


class Context(Effects):
    """One strategy's door to effects, at one structural path of a run."""

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

    def nonce(self, text: str) -> str:
        """Sixteen hexadecimal digits that depend on seed, replicate, path and `text`, which cannot know them.

        Unlike `rng` they are the same for every task, so that prompts made with them are shared by the arms of a sweep.
        """
        return digest("nonce", self._run.seed, self._run.replicate, self.path, text).hex()[:16]

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
        """Draw `n` candidates, in the order of their index; see `Ask`.

        Fewer come back when the budget or the deadline ends the run, or where a draw fails for good.
        """
        return (await self.draw([Ask(query, sampling, n, engine, after, then)]))[0]

    async def draw(self, asks: Sequence[Ask]) -> list[list[Candidate]]:
        """What each ask draws, in the order of the asks and of their indices, all of it at once.

        Where the budget ends the run, the asks that come first are served; an ask that an engine refuses draws nothing.
        A text that is continued goes on to the end of the context at most, and draws nothing from there.
        """
        for ask in asks:
            check_draws(ask.n)
        prompts = [prompt_of(ask) for ask in asks]
        asks = [await self._fitted(ask, prompt) for ask, prompt in zip(asks, prompts, strict=True)]
        contents = [self._content(ask, prompt) for ask, prompt in zip(asks, prompts, strict=True)]
        await self._check([(content, ask.n) for ask, content in zip(asks, contents, strict=True)])
        places = [self._places(content, ask.n) for ask, content in zip(asks, contents, strict=True)]
        started: list[list[Started]] = [[] for _ in asks]
        try:
            for ask, prompt, place, group in zip(asks, prompts, places, started, strict=True):
                try:
                    await self._start(ask, prompt, place, group)
                except EngineError as error:
                    self._run.fail(error)
        except BudgetExceeded as error:
            self._run.stop(error)
        except asyncio.CancelledError:
            await cancel([task for group in started for task in group])
            raise
        drawn = iter(await self._collect([task for group in started for task in group]))
        found = [[next(drawn) for _ in group] for group in started]
        return [[candidate for candidate in group if candidate is not None] for group in found]

    def launch(
        self, query: Query, n: int, sampling: Sampling, *, in_flight: int, engine: str = "generator"
    ) -> AsyncGenerator[Candidate, None]:
        """Up to `n` candidates in the order they were launched, `in_flight` of them drawn ahead.

        Close it to cancel what was drawn ahead, which is charged in full:
        ``async with aclosing(ctx.launch(...)) as drawn: async for candidate in drawn: ...``. What comes back does not
        depend on what ends first.
        """
        return launched(self, Ask(query, sampling, check_draws(n), engine), in_flight)

    async def append(self, candidate: Candidate | None, text: str, engine: str = "generator") -> Candidate:
        """The partial candidate that goes on with a `text` nobody generated; it costs nothing but its place in prompts.

        Args:
            candidate: what it follows; None begins the answer with it.
            text: what to put there.
            engine: whose vocabulary the text is written in.
        """
        try:
            tokens = await self._engine(engine).encode(text)
        except EngineError as error:
            self._run.fail(error)
            tokens = ()
        index, origin = (candidate.index, candidate.origin) if candidate else (0, self.path)
        return Candidate(tokens, text, Finish.STEP, candidate, index, origin=origin)

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
        """What a reward model reads on the text of each candidate; None where the budget or the engine failed."""
        started: list[asyncio.Task[Reading | None]] = []

        async def start(candidate: Candidate) -> None:
            prompt, source = Prompt(query.messages, text=candidate.text), self._engine(engine)
            key = digest("read", source.identity, prompt.messages, prompt.text)
            bound = await self._reading(prompt, engine)
            held = await self._reserve_judgement(key, bound, candidate)
            reading = self._judge(key, lambda: source.read(prompt), READING, engine, bound, held)
            started.append(asyncio.create_task(reading))

        await self._each(candidates, start, started)
        values = await self._collect(started)
        return values + [None] * (len(candidates) - len(values))

    async def classify(
        self, asks: Sequence[Ask], labels: Sequence[str], judged: Sequence[Candidate] = ()
    ) -> list[tuple[float, ...] | None]:
        """The log-probabilities of `labels` as the next token of each ask, in nats; None where it failed.

        One decode step an ask, counted as a verifier's call. Of an ask only the query, the engine and `after` matter.

        Args:
            asks: what stands before the label.
            labels: texts; of each the first token counts, and these must differ.
            judged: the candidate that each ask is about, whose set-aside room pays; by default what it goes on from.
        """
        about: Sequence[Candidate | None] = judged or [ask.after for ask in asks]
        started: list[asyncio.Task[Any]] = []

        async def start(item: tuple[Ask, Candidate | None]) -> None:
            ask, candidate = item
            source, prompt = self._engine(ask.engine), prompt_of(ask)
            ids = await _label_ids(source, labels)
            key = digest("label", source.identity, prompt.messages, prompt.tokens, prompt.text, ids)
            tokens = await self._count(prompt, ask.engine)
            bound = source.meter.generation(tokens, 1, judging=True)
            held = await self._reserve_judgement(key, bound, candidate)
            request = Request(prompt, ONE_TOKEN, 0, ids)
            work = self._judge(key, lambda: source.complete(request), COMPLETION, ask.engine, bound, held)
            started.append(asyncio.create_task(work))

        await self._each(list(zip(asks, about, strict=True)), start, started)
        found = [done.label_logprobs if done else None for done in await self._collect(started)]
        return found + [None] * (len(asks) - len(found))

    async def _each(self, items: Sequence[T], start: Callable[[T], Awaitable[None]], started: list[Any]) -> None:
        """Start one judgement after the other, until the budget or the engine ends it."""
        try:
            for item in items:
                await start(item)
        except BudgetExceeded as error:
            self._run.stop(error)
        except EngineError as error:
            self._run.fail(error)
        except asyncio.CancelledError:
            await cancel(started)
            raise

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

    async def execute(
        self, query: Query, runs: Sequence[tuple[Candidate, Sequence[str]]], executor: Executor
    ) -> list[list[str | None]]:
        """What each candidate gives for each of its inputs; None where it gives nothing, or not in time."""
        ctx = self.child(executor.name, executor.kind)

        def run(candidate: Candidate, inputs: Sequence[str]) -> Coroutine[Any, Any, list[str | None] | None]:
            return ctx._guarded(ctx._outputs(query, candidate, inputs, executor), executor.name)

        if executor.engine_names():
            found = [await run(*each) for each in runs]
        else:
            found = await self._collect([asyncio.create_task(run(*each)) for each in runs], GRACE_S)
        return [outputs or [None] * len(inputs) for outputs, (_, inputs) in zip(found, runs, strict=True)]

    async def _outputs(
        self, query: Query, candidate: Candidate, inputs: Sequence[str], executor: Executor
    ) -> list[str | None]:
        async def call() -> tuple[bytes, Usage]:
            outputs = (await executor.outputs(query, [candidate], inputs, self))[0]
            if len(outputs) != len(inputs):
                raise VerifierError(f"{executor.name} must give {len(inputs)} outputs, got {len(outputs)}")
            return canonical_json(outputs), Usage()

        if not executor.is_recorded:
            return OUTPUTS.validate_json((await call())[0])
        what = (executor.model_dump(mode="json"), query.messages, query.reference, query.metadata)
        key = digest("execute", what, candidate.text, inputs)
        return OUTPUTS.validate_json(await self._run.journal.draw(key, Usage(), call, nullcontext(), self._run.account))

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

    async def _reading(self, prompt: Prompt, engine: str) -> Usage:
        """The most that reading a prompt may cost; what exceeds the context by an exact count is refused unread."""
        tokens, can = await self._count(prompt, engine), self._engine(engine).capabilities
        return self._engine(engine).meter.reading(min(tokens, can.context_length) if can.exact_count else tokens)

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
        judge = digest("score", verifier.model_dump(mode="json"), query.messages, query.reference, query.metadata)

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


async def plan_for(query: Query, engines: Mapping[str, Engine]) -> Plan:
    """A plan with the length of the query's prompt on each engine."""
    prompt = Prompt(query.messages)
    return Plan(engines, {name: await engine.count(prompt) for name, engine in engines.items()})


async def _label_ids(engine: Engine, labels: Sequence[str]) -> tuple[int, ...]:
    """The first token of each label.

    Raises:
        EngineRefused: the engine shows none, or two labels begin alike.
    """
    encoded = [await engine.encode(label) for label in labels]
    ids = tuple(tokens[0] for tokens in encoded if tokens)
    if len(set(ids)) < len(labels) or not engine.capabilities.labels:
        raise EngineRefused(
            f"{engine.identity} must tell the chances of {list(labels)} by their first tokens, but cannot, or two of "
            "them begin alike; use an engine that shows token ids and log-probabilities, or other labels"
        )
    return ids


def _judged(candidate: Candidate, verifier: str, score: Score) -> Candidate:
    """The candidate with its score; one that could not be told anew keeps what it had."""
    known = candidate.scores.get(verifier)
    is_worse = score.value is None and known is not None and known.value is not None
    return candidate if is_worse else candidate.with_score(verifier, score)
