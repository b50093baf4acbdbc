"""A verifier's door to effects: what it asks of engines, named by content and paid once.

A judgement depends on what is asked, the seed and the replicate, never on where in a pipeline it is asked: judged
again, also by another node, it is found and costs nothing. It is paid from the room that was set aside with the draws
being judged, as far as that goes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import nullcontext
from typing import Any, Literal, TypeVar, cast

import orjson
from pydantic import TypeAdapter

from .batches import Batch, made
from .budget import Reservation
from .canonical import Digests, canonical_json, digest
from .denoising import Look, Looked
from .draw import COMPLETION, ONE_TOKEN, Ask, Attempts, draw_key, record_of, seed_of, within
from .effects import GRACE_S, Effects, cancel, prompt_of
from .engine import Completion, Engine, LookingEngine, Prompt, Reading, Request, check_draws, check_fits, check_form
from .errors import BudgetExceeded, EngineError, EngineRefused, JournalError, UsageError, VerifierError
from .fund import Fund
from .images import Image
from .run_state import Run
from .types import Candidate, Message, Query, Score, Usage
from .verifier import Verifier

A = TypeVar("A", Ask, Prompt)
D = TypeVar("D", Reading, Completion)
READING = TypeAdapter(Reading)
SCORE = TypeAdapter(Score)
Begun = list[asyncio.Task[Any]]
Said = tuple[tuple[Message, ...], str, tuple[Image, ...]]
LOOKS_AT_ONCE = 256


class Judging(Effects):
    """What a verifier may do.

    Args:
        run: of the strategy that asks for the judgement.
        verifier: its name.
        kind: the verifier's kind.
        held: room set aside with the draws that are judged.
    """

    def __init__(self, run: Run, verifier: str, kind: str, held: Sequence[Reservation] = ()) -> None:
        super().__init__(run, kind, f"verifier.{kind}")
        self._verifier = verifier
        self._fund = Fund(held)
        self._reasons: dict[Said, str] = {}

    async def read(self, prompts: Sequence[Prompt], engine: str) -> list[Reading | None]:
        """What a reward model reads of each prompt; None where the budget or the engine failed."""

        async def start(prompt: Prompt, begun: Begun) -> None:
            source = self._engine(engine)
            key = digest("read", source.identity, prompt.messages, prompt.text, *prompt.pictured)
            tokens = await self._count(prompt, engine)
            check_fits(source.capabilities, tokens, 0, engine)
            bound = source.meter.reading(tokens)
            held = await self._reserve(key, bound)
            work = self._judge(key, lambda: source.read(prompt), READING, engine, bound, held)
            begun.append(asyncio.create_task(self._once(key, prompt, work)))

        return [found[0] if found else None for found in await self._each(prompts, start)]

    async def classify(self, asks: Sequence[Ask], labels: Sequence[str]) -> list[Completion | None]:
        """One decode step after each ask, with the log-probabilities of `labels` there; None where it failed.

        Of an ask only the query, the engine and `after` matter.

        Args:
            asks: what stands before the label.
            labels: texts; of each the first token counts, and these must differ.
        """
        self._check_engines(ask.engine for ask in asks)

        async def start(ask: Ask, begun: Begun) -> None:
            source, prompt = self._engine(ask.engine), prompt_of(ask)
            ids = await _label_ids(source, labels)
            said = (prompt.messages, prompt.tokens, prompt.text, ids, *prompt.pictured)
            key = digest("label", source.identity, *said)
            request = Request(prompt, ONE_TOKEN, 0, ids)
            begun.append(await self._asked(key, request, ask.engine, await self._most(request, ask.engine)))

        return [found[0] if found else None for found in await self._each(asks, start)]

    async def ask(self, asks: Sequence[Ask]) -> list[list[Completion | None]]:
        """What a judge writes: the `n` replies to each ask; None for one that was lost."""
        run = self._run
        self._check_engines(ask.engine for ask in asks)
        for ask in asks:
            check_draws(ask.n)

        async def start(ask: Ask, begun: Begun) -> None:
            source, prompt = self._engine(ask.engine), prompt_of(ask)
            said = (prompt.messages, prompt.tokens, prompt.text, ask.sampling)
            what = (source.identity, *said, run.seed, run.replicate, *prompt.pictured)
            content, bound = digest("judge", what), await self._most(Request(prompt, ask.sampling, 0), ask.engine)
            for i in range(ask.n):
                key = draw_key(content, i)
                request = Request(prompt, ask.sampling, seed_of(key), judging=True)
                begun.append(await self._asked(key, request, ask.engine, bound))

        replies = await self._each(asks, start)
        return [found + [None] * (ask.n - len(found)) for found, ask in zip(replies, asks, strict=True)]

    async def look(self, query: Query, images: Sequence[Image | None], engine: str) -> list[Looked | None]:
        """What a reward model of images tells of each, told what the query asks for; None where it failed.

        An image that was looked at in this run is not looked at again, also where it could not be told of.

        Args:
            query: its last message is the prompt.
            images: where there is none, nothing is told.
            engine: the engine's name.
        """
        source, prompt, told = self._looking(engine), query.prompt, self._run.looked
        cost = source.meter.looking()
        begun = Digests("look", source.identity, prompt)
        keys = [begun.of(image) for image in images]
        asked = {key: image for key, image in zip(keys, images, strict=True) if image is not None and key not in told}
        shown = list(asked.values())

        async def make(numbers: list[int]) -> list[Looked]:
            found = await source.look(Look(tuple(shown[number] for number in numbers), prompt))
            return [Looked(each, cost) for each in found]

        def write(looked: Looked) -> bytes:
            return canonical_json(looked.seen)

        def read(record: bytes) -> Looked:
            return Looked(tuple(orjson.loads(record)), cost)

        batch = Batch(engine, list(asked), cost, make, write, read, LOOKS_AT_ONCE, set_aside=self._fund.part)
        for (key, image), looked in zip(asked.items(), await made(self, batch), strict=True):
            if looked is not None:
                told[key] = looked.seen
                if not looked.seen:
                    size = f"{image.width} x {image.height} x {image.channels}"
                    self._fail(EngineRefused(f"engine {engine!r} must look at images, but cannot at one of {size}"))
        return [Looked(told[key], self._fund.first(key, cost)) if told.get(key) else None for key in keys]

    def _looking(self, engine: str) -> LookingEngine:
        """The engine of that name, which looks at images.

        Raises:
            UsageError: it does not.
        """
        source = self._engine(engine)
        if not source.capabilities.looks:
            raise UsageError(
                f"engine {engine!r} must look at images, but {source.identity} does not; use one of kind 'image_reward'"
            )
        return cast(LookingEngine, source)

    def unanswered(
        self,
        engine: str,
        kind: Literal["exact", "learned", "self"] = "learned",
        asked: Iterable[Ask | Prompt] = (),
    ) -> Score:
        """The score of a candidate on which an engine gave nothing, with the reason.

        Args:
            engine: the engine's name.
            kind: of the score.
            asked: what was asked about this candidate; where none is given, all that was asked.
        """
        prompts = [each if isinstance(each, Prompt) else prompt_of(each) for each in asked]
        said = [_said(each) for each in prompts] or self._reasons
        reasons = [self._reasons[each] for each in said if each in self._reasons]
        reason = min(reasons, default=self._run.reason or "it is lost")
        return Score(None, kind=kind, detail=f"engine {engine!r} gave no judgement: {reason}")

    async def scores(self, query: Query, candidates: Sequence[Candidate], verifier: Verifier) -> list[Score]:
        """What a verifier says of each candidate; whatever it raises, ``Score(None)`` with the reason.

        One that judges for another, e.g. a member of an ensemble, asks as it would by itself.
        """
        door = self
        if verifier.name != self._verifier:
            door = Judging(self._run, verifier.name, verifier.kind)
            door._fund = self._fund
        try:
            scores = await door._told(query, candidates, verifier)
            _check_scores(scores, len(candidates), verifier)
        except JournalError:
            raise
        except Exception as error:
            return [Score(None, detail=self._missed(error, verifier.name))] * len(candidates)
        return scores

    def release(self) -> None:
        """Give back what is left of the room set aside."""
        self._fund.release()

    @property
    def is_failed(self) -> bool:
        """Whether a part of the judging was lost, which is noted already."""
        return self._fund.is_failed

    def _fail(self, error: Exception) -> None:
        self._fund.is_failed = True
        super()._fail(error)

    async def _told(self, query: Query, candidates: Sequence[Candidate], verifier: Verifier) -> list[Score]:
        """What a verifier that asks an engine has asked in time is kept: its effects have the deadline themselves."""
        if verifier.is_recorded:
            return await self._recorded(query, candidates, verifier)
        if verifier.engine_names():
            return await verifier.score(query, candidates, self)
        judging: asyncio.Future[list[Score] | None] = asyncio.ensure_future(verifier.score(query, candidates, self))
        late = [Score(None, detail="not judged in time")] * len(candidates)
        return (await self._collect([judging], GRACE_S))[0] or late

    async def _recorded(self, query: Query, candidates: Sequence[Candidate], verifier: Verifier) -> list[Score]:
        judge = digest("score", verifier.model_dump(mode="json"), *facts_of(query))

        async def one(candidate: Candidate) -> Score:
            async def call() -> tuple[bytes, Usage]:
                scores = await verifier.score(query, [candidate], self)
                _check_scores(scores, 1, verifier)
                return canonical_json(scores[0]), Usage()

            key = digest(judge, candidate.image or candidate.text)
            try:
                drawn = await self._run.journal.draw(key, Usage(), call, nullcontext(), self._run.account)
                return SCORE.validate_json(drawn)
            except JournalError:
                raise
            except Exception as error:
                return Score(None, detail=self._missed(error, verifier.name))

        found = await self._collect([asyncio.create_task(one(candidate)) for candidate in candidates])
        return [score or Score(None, detail="not judged in time") for score in found]

    def _check_engines(self, names: Iterable[str]) -> None:
        """Refuse unknown engines before anything is begun, which would be left behind."""
        for name in names:
            self._engine(name)

    async def _each(self, items: Sequence[A], start: Callable[[A, Begun], Awaitable[None]]) -> list[list[Any]]:
        """The results of what each item begins, one item after the other; nothing of one that fails to start.

        Where the budget ends the run, the items that come first are served.
        """
        started: list[Begun] = [[] for _ in items]
        try:
            for item, begun in zip(items, started, strict=True):
                try:
                    await start(item, begun)
                except EngineError as error:
                    self._fail(error)
                    self._keep_reason(item if isinstance(item, Prompt) else prompt_of(item), error)
        except BudgetExceeded as error:
            self._run.stop(error)
        except asyncio.CancelledError:
            await cancel([task for group in started for task in group])
            raise
        ended = iter(await self._collect([task for group in started for task in group]))
        return [[next(ended) for _ in group] for group in started]

    async def _most(self, request: Request, engine: str) -> Usage:
        """The most that one completion for a judge may cost.

        Raises:
            EngineRefused: it does not fit the engine's context.
        """
        source, tokens = self._engine(engine), await self._count(request.prompt, engine)
        check_form(source.capabilities, request.sampling, engine)
        check_fits(source.capabilities, tokens, request.sampling.max_tokens, engine)
        return source.meter.generation(tokens, request.sampling.max_tokens, judging=True)

    async def _asked(self, key: bytes, request: Request, engine: str, bound: Usage) -> asyncio.Task[Completion | None]:
        """One completion for a judge, paid for and begun."""
        source = self._engine(engine)
        held = await self._reserve(key, bound)
        work = self._judge(key, lambda: source.complete(request), COMPLETION, engine, bound, held)
        return asyncio.create_task(self._once(key, request.prompt, work))

    async def _once(self, key: bytes, prompt: Prompt, work: Awaitable[D]) -> D | None:
        """One judgement, which costs once; None, with the reason kept, where its engine lost it."""
        try:
            return self._fund.once(key, await work)
        except EngineError as error:
            self._keep_reason(prompt, error)
        except BudgetExceeded:
            pass  # noted, and the reason of the run
        return None

    async def _judge(
        self,
        key: bytes,
        ask: Callable[[], Awaitable[D]],
        kind: TypeAdapter[D],
        engine: str,
        bound: Usage,
        held: Reservation,
    ) -> D:
        """One judgement, paid once however often it is asked.

        Raises:
            EngineError: it is lost, which is noted.
            BudgetExceeded: the account cannot pay for it, which is noted.
        """
        run, attempts = self._run, Attempts(bound)

        async def call() -> tuple[bytes, Usage]:
            judgement = await attempts.attempt(ask())
            return record_of(judgement), within(judgement.usage, bound, engine)

        try:
            value = await run.journal.draw(key, bound, call, run.gates[engine], run.account)
            judgement = kind.validate_json(value)
        except BaseException as error:
            self._lost(error, held, attempts)
            raise
        held.settle(Usage() if key in run.read else judgement.usage)
        run.read.add(key)
        return judgement

    def _keep_reason(self, prompt: Prompt, error: EngineError) -> None:
        said = _said(prompt)
        self._reasons[said] = min(self._reasons.get(said, str(error)), str(error))

    async def _reserve(self, key: bytes, bound: Usage) -> Reservation:
        """Room for a judgement, of what was set aside where that covers it; none if it is known."""
        bound = Usage() if key in self._run.read else bound
        return self._fund.part(bound) or await self._run.ledger.reserve(bound)


def _check_scores(scores: Sequence[object], count: int, verifier: Verifier) -> None:
    """Refuse what is not one score a candidate.

    Raises:
        VerifierError: there are more or fewer, or something is no score.
    """
    if len(scores) != count:
        raise VerifierError(f"{verifier.name} must give {count} scores, got {len(scores)}")
    if others := [each for each in scores if not isinstance(each, Score)]:
        raise VerifierError(f"{verifier.name} must give scores, got {others[0]!r:.80}; make it a ponder.Score")


def _said(prompt: Prompt) -> Said:
    """What tells the prompts of a verifier apart."""
    return prompt.messages, prompt.text, prompt.images


def facts_of(query: Query) -> tuple[object, ...]:
    """What a judgement by rules may depend on."""
    facts: tuple[object, ...] = (query.messages, query.reference, query.metadata)
    facts = (*facts, query.tests) if query.tests else facts
    return (*facts, digest(query.images)) if query.images else facts


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
