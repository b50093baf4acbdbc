"""The context: a strategy's only door to effects.

Every effect has a key made of what is asked (engine, prompt, sampling), where (the structural path), and which draw
it is; never of when. Each pays the ledger before it starts and is recorded in the journal, so that the same strategy
over the same journal gets the same values at any concurrency, and a draw made once is made for everyone.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Coroutine, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, Literal, Protocol, TypeVar, cast

import numpy as np
import orjson
from pydantic import TypeAdapter

from .budget import Budget, Ledger
from .canonical import canonical_json, digest
from .denoising import Denoising, Flow
from .draw import Ask as Ask
from .effects import GRACE_S, Effects, Started, cancel, prompt_of
from .engine import Engine, Prompt, Sampling, check_draws
from .errors import BudgetExceeded, EngineError, VerifierError
from .images import Array
from .judging import Judging, facts_of
from .launch import launched
from .passing import Denoise as Denoise
from .passing import denoised, denoiser, ending
from .plan import Plan
from .run_state import Run as Run
from .run_state import Written
from .sharing import Sharing
from .types import Candidate, Query, Score, Usage
from .verifier import Executor, Verifier
from .workspace import Opening

T = TypeVar("T")
OUTPUTS: TypeAdapter[list[str | None]] = TypeAdapter(list[str | None])


class AnswerReader(Protocol):
    """Reads the canonical answer of each text; equal answers have equal keys, None abstains."""

    @property
    def is_recorded(self) -> bool:
        """Whether a key depends on more than its text (a time limit, say) and so must be journalled."""

    async def keys(self, texts: Sequence[str]) -> list[str | None]: ...


class Context(Effects):
    """One strategy's door to effects, at one structural path of a run."""

    def child(self, name: str, strategy: str, *, is_last: bool = False) -> Context:
        """The context of a part that draws independently: a node, a branch, a round.

        `is_last` tells that what the part returns is what this strategy returns.
        """
        return Context(self._run, strategy, f"{self.path}.{name}", is_last=self.is_last and is_last)

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

    def show(
        self,
        worker: int,
        name: str,
        text: str,
        kind: Literal["said", "drawn", "committed", "left", "answer"],
        *,
        tokens: int = 0,
        unseen: int = 0,
    ) -> None:
        """Tell whoever watches the run; see `Written`."""
        if (wrote := self._run.watcher.wrote) is not None:
            wrote(Written(self.path, worker, name, text, kind, tokens, self._run.ledger.spent, unseen))

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
        is_answer: bool = False,
    ) -> list[Candidate]:
        """Draw `n` candidates, in the order of their index; see `Ask`.

        Fewer come back when the budget or the deadline ends the run, or where a draw fails for good. `is_answer` tells
        that the strategy returns just this one draw; who watches the run sees it being written.
        """
        watch = self._run.watcher.answered if is_answer and self.is_last else None
        return (await self.draw([Ask(query, sampling, n, engine, after, then, watch=watch)]))[0]

    async def draw(self, asks: Sequence[Ask]) -> list[list[Candidate]]:
        """What each ask draws, in the order of the asks and of their indices, all of it at once.

        Where the budget ends the run, the asks that come first are served; an ask that an engine refuses draws nothing.
        A text that is continued goes on to the end of the context at most, and draws nothing from there.
        """
        for ask in asks:
            check_draws(ask.n)
        prompts = [prompt_of(ask) for ask in asks]
        asks = [await self._fitted(_judgeable(ask), prompt) for ask, prompt in zip(asks, prompts, strict=True)]
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

    async def begin(self, ask: Ask, leaving: Usage = Usage()) -> asyncio.Task[Candidate | None] | None:
        """Start the one draw of an ask; what awaits it gets its candidate, or None where it is lost.

        Draws are paid in the order in which they begin. One that is cancelled is charged in full. What continues a text
        goes on to the end of the context at most, and is refused from there.

        Args:
            ask: of one draw.
            leaving: what the budget must still hold afterwards, for what is to come when it ends this.

        Returns:
            None where the budget or the engine does not let it begin.
        """
        prompt = prompt_of(ask)
        fitted = await self._fitted(_judgeable(ask), prompt)
        ask = fitted if fitted.n else ask
        content = self._content(ask, prompt)
        await self._check([(content, ask.n)])
        started: list[Started] = []
        try:
            await self._start(ask, prompt, self._places(content, ask.n), started, leaving)
        except BudgetExceeded as error:
            self._run.stop(error)
        except EngineError as error:
            self._run.fail(error)
        return asyncio.create_task(self._ended(started)) if started else None

    async def _ended(self, started: list[Started]) -> Candidate | None:
        (candidate,) = await self._collect(started)
        return candidate

    def launch(
        self, query: Query, n: int, sampling: Sampling, *, in_flight: int, engine: str = "generator"
    ) -> AsyncGenerator[Candidate, None]:
        """Up to `n` candidates in the order they were launched, `in_flight` of them drawn ahead.

        Close it to cancel what was drawn ahead, which is charged in full:
        ``async with aclosing(ctx.launch(...)) as drawn: async for candidate in drawn: ...``. What comes back does not
        depend on what ends first.
        """
        return launched(self, Ask(query, sampling, check_draws(n), engine), in_flight)

    async def denoise(self, ask: Denoise) -> list[Candidate | None]:
        """A candidate for each move of an ask, in order, all of it at once; see `Denoise`.

        None stands for one that is lost, and for those that the budget does not reach, which are the last.
        """
        return await denoised(self, ask)

    def ending(self, flow: Flow, evaluations: int, judge: Verifier | None, engine: str = "generator") -> Usage:
        """The most that it costs for one latent to come to its end; what a search must leave in the budget."""
        known = self._run.prompt_tokens
        return ending(self._run.engines, engine, flow, evaluations, judge, prompt_tokens=known)

    def denoising(self, engine: str = "generator") -> Denoising:
        """What an engine's denoiser is.

        Raises:
            UsageError: it does not denoise.
        """
        return cast(Denoising, denoiser(self, engine).capabilities.denoising)

    def noise(self, query: Query, count: int, *address: int | str, engine: str = "generator") -> Array:
        """Standard normal noise for so many latents of an engine, ``[count, *shape]``.

        It depends on the seed, the replicate, the path, what is asked and the address alone, so that anyone can make it
        again. Of a larger count the first are the same: searches of different widths share what they begin with.
        """
        run = self._run
        key = digest("noise", run.seed, run.replicate, self.path, query.messages, address)
        random = np.random.default_rng(int.from_bytes(key, "big"))
        return random.standard_normal((count, *self.denoising(engine).shape), np.float32)

    def share(self, opening: Opening, engine: str = "generator") -> Sharing:
        """Workers that share one attention cache, opened as told: ``async with ctx.share(opening) as sharing: ...``.

        A run must not open another before this one is closed, nor draw from the engine meanwhile, unless both caches
        fit the memory of the engine: each would wait for the other.
        """
        return Sharing(self, opening, engine)

    async def score(self, query: Query, candidates: Sequence[Candidate], verifier: Verifier) -> list[Candidate]:
        """The candidates, each with the verifier's score under its name.

        A verifier that fails, whatever it raises, and one the budget cannot pay, leaves ``Score(None)``. One that
        tells nothing in a whole run counts as a failure of the run.
        """
        numbers: dict[tuple[object, ...], int] = {}
        same = [numbers.setdefault(candidate.seen, len(numbers)) for candidate in candidates]
        unique = dict(zip(reversed(same), reversed(candidates), strict=True))
        judging, name = self._judging(verifier, candidates), verifier.name
        try:
            told = await judging.scores(query, [unique[number] for number in range(len(unique))], verifier)
        finally:
            judging.release()
        scores = [told[number] for number in same]
        if not judging.is_failed:
            self._run.tell(name, scores)
        return [_judged(candidate, name, score) for candidate, score in zip(candidates, scores, strict=True)]

    def _judging(self, verifier: Verifier, candidates: Sequence[Candidate] = ()) -> Judging:
        """The door of a verifier that judges `candidates`, and what was set aside with them."""
        kept = Counter(self._run.kept.pop((each.origin, each.index), None) for each in candidates)
        held = [room.shared(shares) for room, shares in kept.items() if room is not None]
        return Judging(self._run, verifier.name, verifier.kind, held)

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
        ctx = self._judging(executor)

        def run(candidate: Candidate, inputs: Sequence[str]) -> Coroutine[Any, Any, list[str | None] | None]:
            return self._guarded(self._outputs(query, candidate, inputs, executor, ctx), executor.name)

        if executor.engine_names():
            found = [await run(*each) for each in runs]
        else:
            found = await self._collect([asyncio.create_task(run(*each)) for each in runs], GRACE_S)
        return [outputs or [None] * len(inputs) for outputs, (_, inputs) in zip(found, runs, strict=True)]

    async def _outputs(
        self, query: Query, candidate: Candidate, inputs: Sequence[str], executor: Executor, ctx: Judging
    ) -> list[str | None]:
        async def call() -> tuple[bytes, Usage]:
            outputs = (await executor.outputs(query, [candidate], inputs, ctx))[0]
            if len(outputs) != len(inputs):
                raise VerifierError(f"{executor.name} must give {len(inputs)} outputs, got {len(outputs)}")
            return canonical_json(outputs), Usage()

        if not executor.is_recorded:
            return OUTPUTS.validate_json((await call())[0])
        what = (executor.model_dump(mode="json"), *facts_of(query))
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


async def plan_for(query: Query, engines: Mapping[str, Engine]) -> Plan:
    """A plan with the length of the query's prompt on each engine."""
    prompt = Prompt(query.messages, images=query.images)
    return Plan(engines, {name: await engine.count(prompt) for name, engine in engines.items()})


def _judged(candidate: Candidate, verifier: str, score: Score) -> Candidate:
    """The candidate with its score; one that could not be told anew keeps what it had."""
    known = candidate.scores.get(verifier)
    is_worse = score.value is None and known is not None and known.value is not None
    return candidate if is_worse else candidate.with_score(verifier, score)


def _judgeable(ask: Ask) -> Ask:
    """The ask, drawn so that the verifier that comes after it can judge."""
    return ask if ask.then is None else replace(ask, sampling=ask.then.sampling(ask.sampling))
