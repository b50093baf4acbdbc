"""Workers that draw their steps from one common text, on any engine: what stands, and what is being drawn."""

from __future__ import annotations

from dataclasses import replace

from ..orchestrator.context import Ask, Context
from ..orchestrator.effects import cancel
from ..orchestrator.engine import Progress
from ..orchestrator.reopening import reopened
from ..orchestrator.types import Candidate, Finish, Query
from .collaboration import Collaboration
from .concluding import closing, finishing
from .flight import Flight
from .repetition import is_stuck
from .worker import Block, Work, Worker, turn_of


class CommonText:
    """The text that workers have in common, and the steps that they draw from it.

    Use it as an asynchronous context manager, so that no draw goes on behind it. Each worker draws in a context of its
    own, and draws are paid in the order in which they begin; what is drawn is named by the text before it.

    Args:
        knobs: of the workers.
        step_tokens: most tokens of a step that is not a worker's last.
        asked: what all are asked.
        ctx: of the strategy.
    """

    def __init__(self, knobs: Collaboration, step_tokens: int, asked: Query, ctx: Context) -> None:
        self.knobs, self._step_tokens, self._asked, self._ctx = knobs, step_tokens, asked, ctx
        salt = ctx.nonce("\n".join(message.content for message in asked.messages))
        self.work = Work(tuple(Worker(name) for name in knobs.names[: knobs.workers]), salt=salt)
        self.flights: dict[int, Flight] = {}
        self._text = Block()
        self._is_decided = False
        self._desks = [ctx.child(f"worker{number}", knobs.kind) for number in range(knobs.workers)]

    async def __aenter__(self) -> CommonText:
        self._plan = await self._ctx.plan(self._asked)
        return self

    async def __aexit__(self, *error: object) -> None:
        await cancel([flight.drawing for flight in self.flights.values() if flight.drawing is not None])

    @property
    def writing(self) -> list[int]:
        """The numbers of the workers that may begin another step."""
        return [] if self._is_decided or self._ctx.is_stopped else self.work.writing

    async def begin(self, number: int, unseen: int = 0) -> None:
        """Let a worker draw its next step from the text as it stands; where it cannot, it writes no more.

        Args:
            number: the worker's.
            unseen: tokens that the others had drawn by now and it does not see.
        """
        worker, is_due = self.work.workers[number], self.work.workers[number].is_due(self.knobs.cue_tokens)
        words = self.knobs.opens(number, worker.step) + (self.knobs.cue if is_due else "")
        opening, private = await self._spelt(words), await self._spelt(self.knobs.told(number))
        said = self._size(opening) + self._plan.template(self.knobs.step_ends[0])
        most = self._most(worker, said + self._size(private))
        if most < 1:
            self.work = self.work.but(number, worker.ended(Finish.TOTAL_LENGTH))
            return
        flight = Flight(number, worker.drawn, most, said + most)
        after = self._text + private + opening
        leaving = finishing(self.knobs, self._plan, self._bound + flight.bound)
        begun = await self._desks[number].begin(self._ask(flight, after), leaving)
        if begun is None:
            self.work = self.work.but(number, worker.ended(Finish.ABORTED))
            return
        flight.take_off(begun)
        self.flights[number] = flight
        self._ctx.show(number, worker.name, words, "said", unseen=unseen)
        worker = worker.told(opening)
        self.work = self.work.but(number, replace(worker, cued=worker.drawn) if is_due else worker)

    async def land(self, flight: Flight) -> None:
        """Take what a step that is over has given into the text; a worker that has nothing to add leaves."""
        number, drawn = flight.number, flight.drawn
        del self.flights[number]
        if drawn is None:
            self._leave(number, Finish.ABORTED if self._ctx.is_stopped else Finish.ERROR)
            return
        worker, tokens = self.work.workers[number], drawn.usage.completion_tokens
        self._ctx.show(number, worker.name, drawn.piece[flight.shown :], "drawn", tokens=tokens - flight.told)
        worker = worker.grown(Block(drawn.piece, reopened(drawn).tokens), tokens)
        self.work = replace(self.work.but(number, worker), usage=self.work.usage + drawn.usage)
        await self._settle(number, Finish.REPETITION if is_stuck(worker.written) else drawn.finish)

    async def _settle(self, number: int, finish: Finish) -> None:
        """Commit what a worker drew, unless it leaves; then look whether the work is decided."""
        has_steps = self.work.workers[number].step < self.knobs.max_steps
        if not self._is_decided:
            self.work = await self.knobs.read(self.work, self._ctx)
        worker = self.work.workers[number]
        turn = turn_of(worker, finish, left=self.knobs.max_tokens - worker.drawn, has_steps=has_steps)
        if turn == "leaves":
            self._leave(number, finish)
        else:
            await self._commit(number)
            if turn == "rests" or not has_steps:
                self._ctx.show(number, worker.name, finish.value, "left")
                self.work = self.work.but(number, self.work.workers[number].ended(finish))
        self._is_decided = self._is_decided or self.knobs.is_decided(self.work)

    async def _commit(self, number: int) -> None:
        worker = self.work.workers[number]
        block, end = worker.block, self.knobs.step_ends[0]
        if worker.is_begun:
            if not block.text.endswith(self.knobs.step_ends):
                block += await self._spelt(end)
            self._text += block
            self._ctx.show(number, worker.name, block.text[len(worker.block.text) :], "committed")
            self.work = replace(self.work, history=(*self.work.history, block))
        self.work = self.work.but(number, worker.begun())

    def _leave(self, number: int, finish: Finish) -> None:
        worker = self.work.workers[number].ended(finish, is_present=False)
        self._ctx.show(number, worker.name, finish.value, "left")
        self.work = self.work.but(number, worker)

    def _ask(self, flight: Flight, after: Block) -> Ask:
        """The draw of a step; its worker's last step ends with its text."""
        name, number = self.work.workers[flight.number].name, flight.number

        def watch(progress: Progress) -> None:
            self._ctx.show(number, name, progress.text, "drawn", tokens=progress.tokens - flight.told)
            flight.hear(progress)

        is_last = self.work.workers[number].step >= self.knobs.max_steps
        sampling = self.knobs.sampling(flight.most, () if is_last else self.knobs.step_ends)
        node = Candidate(after.tokens, after.text, Finish.STEP, origin=self._ctx.path)
        return Ask(self._asked, sampling, 1, self.knobs.engine, node, salt=self.work.salt, watch=watch)

    def _most(self, worker: Worker, said: int) -> int:
        """The most tokens of a step before which so many are said, so that all steps and the finisher fit the context.

        What there is room for is shared by those that are about to begin. The very first draw is tried in any case.
        """
        left = self.knobs.max_tokens - worker.drawn
        most = left if worker.step >= self.knobs.max_steps else min(self._step_tokens, left)
        can = self._plan.engines[self.knobs.engine].capabilities if self._plan.engines else None
        if can is None or not can.exact_count:
            return most
        rest = closing(self.knobs, self._plan) + self.knobs.finisher_tokens + said
        room = can.context_length - self._plan.prompt_tokens.get(self.knobs.engine, 1) - self._bound - rest
        is_first = not self.flights and not self.work.usage.calls
        return max(min(most, room // (len(self.work.writing) - len(self.flights))), 1 if is_first else 0)

    @property
    def _bound(self) -> int:
        """The most tokens of the text once every step that is being drawn is in it."""
        return self._size(self._text) + sum(flight.bound for flight in self.flights.values())

    def _size(self, block: Block) -> int:
        return len(block.tokens) or self._plan.template(block.text)

    async def _spelt(self, text: str) -> Block:
        return Block(text, (await self._ctx.append(None, text, self.knobs.engine)).tokens) if text else Block()
