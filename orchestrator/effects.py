"""What every effect goes through: named by content, paid in the order asked, recorded, and cut off in time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from .budget import Reservation, amounts
from .canonical import digest
from .deferred import Deferred
from .draw import Ask, Attempts, Draw, draw_key, seed_of
from .engine import Completion, Engine, Prompt, Request, check_fits, check_form
from .errors import BudgetExceeded, EngineError, EngineRefused, JournalError, UsageError, VerifierError
from .run_state import Run, Step
from .tool_turns import check_turns
from .types import Candidate, Finish, Usage

T = TypeVar("T")
GRACE_S = 0.1
"""Seconds after the deadline in which what takes no longer may still be judged or read."""
Started = asyncio.Future[Candidate | None]


class Effects:
    """Draws and judgements of one strategy, at one structural path of a run."""

    def __init__(self, run: Run, strategy: str, path: str = "0", *, is_last: bool = True) -> None:
        self._run = run
        self._strategy = strategy
        self.path = path
        self.is_last = is_last
        self._draws: Counter[bytes] = Counter()
        self._created = 0
        self._steps = 0

    def nonce(self, text: str) -> str:
        """Sixteen hexadecimal digits that depend on seed, replicate, path and `text`, which cannot know them.

        Unlike `rng` they are the same for every task, so that prompts made with them are shared by the arms of a sweep.
        """
        return digest("nonce", self._run.seed, self._run.replicate, self.path, text).hex()[:16]

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
            self._fail(error)
            tokens = ()
        index, origin = (candidate.index, candidate.origin) if candidate else (0, self.path)
        return Candidate(tokens, text, Finish.STEP, candidate, index, origin=origin)

    async def _start(
        self, ask: Ask, prompt: Prompt, places: Places, started: list[Started], leaving: Usage = Usage()
    ) -> None:
        """Reserve and start the draws of one ask, adding each to `started`; each leaves so much in the budget besides.

        Raises:
            BudgetExceeded: the budget ends the run here.
            EngineError: the prompt cannot be drawn from.
        """
        if not ask.n:
            return
        bound, rest = await self._bounds(prompt, ask)
        whole = bound + rest if rest else bound
        for i in range(ask.n):
            held = await self._run.ledger.reserve(whole + leaving)
            started.append(asyncio.create_task(self._draw(ask, prompt, bound, rest, held, places.at(i))))

    async def _draw(
        self,
        ask: Ask,
        prompt: Prompt,
        bound: Usage,
        rest: Usage | None,
        held: Reservation | Deferred,
        place: tuple[bytes, int],
    ) -> Candidate | None:
        """One draw, paid and recorded; None where it is lost."""
        run, (key, index) = self._run, place
        draw = Draw(self._engine(ask.engine), Request(prompt, ask.sampling, seed_of(key)), bound, ask.engine, ask.watch)
        try:
            value = await run.journal.draw(key, draw.bound, draw.call, run.gates[draw.name], run.account)
            done = draw.known(value)
        except BaseException as error:
            self._lost(error, held, draw)
            return None
        if rest is not None and isinstance(held, Reservation):
            held.settle_keeping(done.usage, rest)
            run.kept[self.path, index] = held
        else:
            held.settle(done.usage)
        return self._candidate(ask, done, index)

    def _candidate(self, ask: Ask, done: Completion, index: int) -> Candidate:
        return Candidate(
            done.tokens,
            done.text,
            done.finish,
            ask.after,
            index,
            done.logprobs,
            done.confidences,
            origin=self.path,
            usage=done.usage,
            pieces=done.pieces,
            calls=done.calls,
        )

    def _lost(self, error: BaseException, held: Reservation | Deferred, attempts: Attempts) -> None:
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
        if isinstance(held, Deferred):
            held.error = error
        else:
            self._fail(error)

    async def _guarded(self, work: Coroutine[Any, Any, T], what: str) -> T | None:
        """Run one part; its failure loses that part alone."""
        try:
            return await work
        except JournalError:
            raise
        except Exception as error:
            self._missed(error, what)
        return None

    def _fail(self, error: Exception) -> None:
        """Note that one part of the work was lost."""
        self._run.fail(error)

    def _missed(self, error: Exception, what: str) -> str:
        """Note that `what` could not tell, and say why; a plug-in may raise anything."""
        if isinstance(error, BudgetExceeded):
            self._run.stop(error)
            return self._run.reason
        if not isinstance(error, (EngineError, VerifierError)):
            error = VerifierError(f"{what} must tell or abstain, but raised {type(error).__name__}: {error}")
        self._fail(error)
        return str(error)

    async def _collect(self, tasks: Sequence[asyncio.Future[T | None]], grace_s: float = 0.0) -> list[T | None]:
        """The results in the order started; `grace_s` after the deadline what is unfinished is cancelled and None."""
        try:
            for task in tasks:  # one after the other: most have ended by the time the first has
                if not task.done() and not (await asyncio.wait((task,), timeout=self._seconds(grace_s)))[0]:
                    break
        except asyncio.CancelledError:
            await cancel(tasks)
            raise
        if late := [task for task in tasks if not task.done()]:
            self._run.end_in_time()
            await cancel(late)
        for task in tasks:
            task.cancelled() or task.exception()  # looked at, or asyncio reports all failures after the first
        return [None if task.cancelled() else task.result() for task in tasks]

    def _seconds(self, grace_s: float) -> float | None:
        left = self._run.seconds_left()
        return left if left is None else left + grace_s

    def _places(self, content: bytes, n: int) -> Places:
        """The next `n` draws of what `content` names, and their indices in this context."""
        first, created = self._draws[content], self._created
        self._draws[content] += n
        self._created += n
        return Places(content, first, created)

    async def _check(self, asked: Sequence[tuple[bytes, int]]) -> None:
        """Hold a replay to its recorded path; what is asked once a run has ended is no part of it.

        With more room the run would go on elsewhere from there.
        """
        if (stepped := self._run.watcher.stepped) is not None:
            stepped(Step(self.path, self._strategy, sum(n for _, n in asked)))
        if self._run.stopped != "done":
            return
        place = f"{self._run.task}/{self.path}/{self._steps}"
        self._steps += 1
        await self._run.journal.check(place, self._strategy, digest(asked))

    def _content(self, ask: Ask, prompt: Prompt) -> bytes:
        run = self._run
        said = (prompt.messages, prompt.tokens, prompt.text, ask.sampling, *prompt.pictured)
        return digest(("sample", self._engine(ask.engine).identity, *said), self.path, run.seed, run.replicate)

    async def _bounds(self, prompt: Prompt, ask: Ask) -> tuple[Usage, Usage | None]:
        """The most that one draw may cost, and the most that judging it may, where it will be."""
        source, most = self._engine(ask.engine), ask.sampling.max_tokens
        tokens = await self._count(prompt, ask.engine)
        check_form(source.capabilities, ask.sampling, ask.engine)
        check_turns(source.capabilities, prompt.messages, ask.engine)
        check_fits(source.capabilities, tokens, most, ask.engine)
        rest = ask.then.bound(self._run.engines, tokens, most, ask.n) if ask.then else Usage()
        return source.meter.generation(tokens, most), rest if rest != Usage() else None

    async def _fitted(self, ask: Ask, prompt: Prompt) -> Ask:
        """The ask for as much as the context leaves room for, where a text is continued and its count is exact.

        Where nothing is left, nothing is drawn. What cannot be counted stays as it is.
        """
        can = self._engine(ask.engine).capabilities
        if ask.after is None or not can.exact_count:
            return ask
        try:
            left = can.context_length - await self._count(prompt, ask.engine)
        except (BudgetExceeded, EngineError):
            return ask
        if left >= ask.sampling.max_tokens:
            return ask
        if left < 1:
            return replace(ask, n=0)
        return replace(ask, sampling=ask.sampling.model_copy(update={"max_tokens": left}))

    async def _count(self, prompt: Prompt, engine: str) -> int:
        """The prompt's tokens on an engine.

        Raises:
            BudgetExceeded: the deadline came first.
            EngineRefused: it holds images, which the engine does not take.
        """
        if prompt.images and not self._engine(engine).capabilities.images:
            raise EngineRefused(
                f"engine {engine!r} must take images in its prompts, but {self._engine(engine).identity} does not; use "
                "one of kind 'openai' with image_tokens above 0, and a model that sees"
            )
        async with self._run.in_time():
            return await self._engine(engine).count(prompt)

    def _engine(self, name: str) -> Engine:
        try:
            return self._run.engines[name]
        except KeyError:
            known = ", ".join(sorted(self._run.engines)) or "none"
            raise UsageError(
                f"engine must be one of the pipeline's ({known}), got {name!r}; add it or rename it"
            ) from None


class Places:
    """The keys and indices of some draws of one content."""

    __slots__ = ("_content", "_created", "_first")

    def __init__(self, content: bytes, first: int, created: int) -> None:
        self._content = content
        self._first = first
        self._created = created

    def at(self, i: int) -> tuple[bytes, int]:
        """The key of the `i`-th draw, and its index in the context."""
        return draw_key(self._content, self._first + i), self.index(i)

    def index(self, i: int) -> int:
        """The index of the `i`-th draw in the context."""
        return self._created + i


def prompt_of(ask: Ask) -> Prompt:
    """The conversation of an ask, and what stands after it."""
    images, tools = (*ask.query.images, *ask.images), ask.sampling.tools or ""
    if ask.after is None:
        return Prompt(ask.query.messages, salt=ask.salt, images=images, tools=tools)
    return Prompt(ask.query.messages, ask.after.path_tokens, ask.after.text, salt=ask.salt, images=images, tools=tools)


def covers(held: Usage, bound: Usage) -> bool:
    """Whether what is held pays for `bound`."""
    return all(amount <= limit for amount, limit in zip(amounts(bound), amounts(held), strict=True))


async def cancel(tasks: Sequence[asyncio.Future[T]]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
