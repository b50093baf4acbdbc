"""Workers that share one attention cache, token by token: the loop of Hogwild! inference."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace

from ..orchestrator.context import Context
from ..orchestrator.engine import Advanced, Sampling
from ..orchestrator.errors import EngineRefused, UsageError
from ..orchestrator.plan import Plan
from ..orchestrator.sharing import Sharing
from ..orchestrator.types import Finish, Query
from ..orchestrator.workspace import Layout, Opening
from .cache_cost import between
from .collaboration import Collaboration
from .concluding import closing, finishing
from .repetition import is_stuck
from .worker import Block, Work, Worker, turn_of

FULL = (
    "must leave room in the engine's context for what it writes, but fills it; shorten the prompt or the instructions"
)


async def write_side_by_side(knobs: Collaboration, layout: Layout, asked: Query, ctx: Context) -> Work:
    """What workers write who see each other's tokens at once, until enough of them agree or all have ended.

    Source: Rodionov et al. 2025, arXiv 2504.06261, section 3.
    """
    plan = await ctx.plan(asked)
    async with ctx.share(_opened(knobs, layout, asked, plan), knobs.engine) as sharing:
        desk = _Desk(knobs, layout, ctx, sharing)
        work = await desk.begin()
        while tokens := _next(knobs, layout, work, plan):
            bound = finishing(knobs, plan, work.tokens + tokens * len(work.writing))
            done = await sharing.advance([desk.sampling(worker, tokens) for worker in work.workers], bound)
            if done is None:
                break
            drew, work = work.writing, await knobs.read(desk.heard(work, done), ctx)
            if knobs.is_decided(work):
                break
            for number in drew:
                work = await desk.turn(work, number, done, tokens)
    return work


def _opened(knobs: Collaboration, layout: Layout, asked: Query, plan: Plan) -> Opening:
    if asked.images:
        raise UsageError(f"workers that share a cache see no images, but are shown {len(asked.images)}; leave them out")
    private = tuple(knobs.told(number) for number in range(knobs.workers))
    return Opening(asked.messages, layout, private, min(knobs.workers * knobs.max_tokens, _context(knobs, plan)))


def _next(knobs: Collaboration, layout: Layout, work: Work, plan: Plan) -> int:
    """The most tokens that each draws before the next look; 0 ends all.

    Both what a worker sees and the finisher must still fit the context; the first advance is made in any case.
    """
    writing = [worker for worker in work.workers if worker.is_writing]
    if not writing:
        return 0
    tokens = min(knobs.chunk, knobs.max_tokens - max(worker.drawn for worker in writing))
    among = between(layout, plan) + max(plan.template(knobs.told(i)) for i in range(knobs.workers))
    besides = max(among, closing(knobs, plan) + knobs.finisher_tokens)
    room = _context(knobs, plan) - plan.prompt_tokens.get(knobs.engine, 1) - work.tokens - besides
    return max(min(tokens, room // len(writing)), 0 if work.usage.calls else 1)


def _context(knobs: Collaboration, plan: Plan) -> int:
    """Tokens that the context holds, as far as that is known."""
    can = plan.engines[knobs.engine].capabilities if plan.engines else None
    return can.context_length if can is not None and can.exact_count else sys.maxsize


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where the workers of one run write."""

    knobs: Collaboration
    layout: Layout
    ctx: Context
    sharing: Sharing

    async def begin(self) -> Work:
        """The work after the first words of each."""
        work = Work(tuple(Worker(name) for name in self.knobs.names[: self.knobs.workers]))
        for number in work.writing:
            if told := self.knobs.told(number):
                self.ctx.show(number, work.workers[number].name, f"{told}\n", "said")
            words = await self._spelt(self.knobs.opens(number, 1))
            self.sharing.say(number, words.tokens)
            work = self._told(work, number, words)
        return work

    def sampling(self, worker: Worker, tokens: int) -> Sampling | None:
        """How a worker draws; None for one that writes no more. It stops where something may come between."""
        if not worker.is_writing:
            return None
        stops = self._has_steps(worker) if self.layout.commits else worker.is_due(self.knobs.cue_tokens)
        return self.knobs.sampling(tokens, self.knobs.step_ends if stops else ())

    def heard(self, work: Work, done: Advanced) -> Work:
        """The work after an advance."""
        for number, (text, tokens, finish) in enumerate(zip(done.texts, done.tokens, done.finishes, strict=True)):
            worker = work.workers[number]
            if worker.is_writing:
                if tokens:
                    self.ctx.show(number, worker.name, text, "drawn", tokens=len(tokens))
                work = work.but(number, worker.grown(Block(text, tokens), len(tokens) + (finish is Finish.EOS)))
        return replace(work, usage=work.usage + done.usage)

    async def turn(self, work: Work, number: int, done: Advanced, tokens: int) -> Work:
        """The work after what comes next for a worker that drew in an advance of at most `tokens`."""
        worker, finish = work.workers[number], done.finishes[number]
        if is_stuck(worker.written):
            finish = Finish.REPETITION
        left, is_full = self.knobs.max_tokens - worker.drawn, len(done.tokens[number]) < tokens
        match turn_of(worker, finish, left=left, has_steps=self._has_steps(worker), is_full=is_full):
            case "ends a step":
                return await self._commit(work, number, finish)
            case "rests":
                worker = worker.ended(finish or Finish.TOTAL_LENGTH)
                self.ctx.show(number, worker.name, str(worker.finish), "left")
                return work.but(number, worker)
            case "leaves":
                return self._leave(work, number, finish or Finish.ABORTED)
            case "goes on" if finish is Finish.STOP and worker.is_due(self.knobs.cue_tokens):
                cue = await self._spelt(self.knobs.cue)
                self.sharing.say(number, cue.tokens)
                return self._told(work, number, cue, is_cued=True)
        return work

    async def _commit(self, work: Work, number: int, finish: Finish | None) -> Work:
        """The work after a worker's step became history and its next one is open."""
        worker, is_due = work.workers[number], work.workers[number].is_due(self.knobs.cue_tokens)
        if finish is Finish.EOS:
            end = await self._spelt(self.knobs.step_ends[0])
            self.sharing.say(number, end.tokens)
            worker = worker.told(end)
        words = await self._spelt(self.knobs.opens(number, worker.step + 1) + (self.knobs.cue if is_due else ""))
        if not words.tokens:
            return self._leave(work, number, Finish.ERROR)
        self.sharing.commit(number, words.tokens)
        self.ctx.show(number, worker.name, "", "committed")
        work = replace(work, history=(*work.history, worker.block))
        return self._told(work.but(number, worker.begun()), number, words, is_cued=is_due)

    def _leave(self, work: Work, number: int, finish: Finish) -> Work:
        """The work after a worker's block vanished from all views; one without steps has all its work in there."""
        worker = work.workers[number].ended(finish, is_present=not self.layout.commits)
        if finish is Finish.TOTAL_LENGTH and not worker.drawn:
            self.ctx.note(EngineRefused(f"what {worker.name} sees {FULL}"))
        self.sharing.leave(number)
        self.ctx.show(number, worker.name, finish.value, "left")
        return work.but(number, worker)

    def _told(self, work: Work, number: int, words: Block, *, is_cued: bool = False) -> Work:
        worker = work.workers[number].told(words)
        self.ctx.show(number, worker.name, words.text, "said")
        return work.but(number, replace(worker, cued=worker.drawn) if is_cued else worker)

    def _has_steps(self, worker: Worker) -> bool:
        return self.layout.commits and worker.step < self.knobs.max_steps

    async def _spelt(self, text: str) -> Block:
        return Block(text, (await self.ctx.append(None, text, self.knobs.engine)).tokens)
