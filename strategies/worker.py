"""Workers that write side by side: where each stands, and what comes next for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ..orchestrator.types import Finish, Usage

Turn = Literal["goes on", "ends a step", "rests", "leaves"]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of text, and the ids that spell it; none where the engine shows none."""

    text: str = ""
    tokens: tuple[int, ...] = ()

    def __add__(self, other: Block) -> Block:
        is_spelt = all(each.tokens or not each.text for each in (self, other))
        return Block(self.text + other.text, self.tokens + other.tokens if is_spelt else ())


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker.

    Args:
        name: as the others know it.
        step: the number of the step that it writes, from 1.
        block: what stands of this step, words that were put there included.
        is_begun: whether it drew any of this step.
        written: all the text that it drew.
        drawn: how many tokens it drew, those that end a text included.
        cued: how many of them before it was last asked to check itself.
        finding: the last answer that it announced and that can be read, with the words around it.
        answer: what that is by the answer key.
        finish: why it writes no more; None while it does.
        is_present: whether its block is part of the text in common.
    """

    name: str
    step: int = 1
    block: Block = Block()
    is_begun: bool = False
    written: str = ""
    drawn: int = 0
    cued: int = 0
    finding: str | None = None
    answer: str | None = None
    finish: Finish | None = None
    is_present: bool = True

    @property
    def is_writing(self) -> bool:
        return self.finish is None

    def told(self, words: Block) -> Worker:
        """After words were put into its block."""
        return replace(self, block=self.block + words)

    def grown(self, new: Block, tokens: int) -> Worker:
        """After it drew so many tokens, the ends of texts included."""
        is_begun, written = self.is_begun or bool(new.text), self.written + new.text
        return replace(self, block=self.block + new, is_begun=is_begun, written=written, drawn=self.drawn + tokens)

    def begun(self) -> Worker:
        """At the start of its next step."""
        return replace(self, step=self.step + 1, block=Block(), is_begun=False)

    def ended(self, finish: Finish, *, is_present: bool = True) -> Worker:
        """When it writes no more."""
        return replace(self, finish=finish, is_present=is_present)

    def is_due(self, interval: int) -> bool:
        """Whether it drew `interval` tokens since it was last asked to check itself; never for 0.

        >>> [Worker("Ann", drawn=300, cued=200).is_due(interval) for interval in (100, 101, 0)]
        [True, False, False]
        """
        return 0 < interval <= self.drawn - self.cued


def turn_of(worker: Worker, finish: Finish | None, *, left: int, has_steps: bool, is_full: bool = False) -> Turn:
    """What comes next for a worker that has just drawn.

    An end of text ends a step, or the work of one that has no steps to end; one that had nothing more to say leaves, as
    do those that are stuck, broken, or see more than the context holds. The text of one that rests stays in sight.

    Args:
        worker: after what it drew.
        finish: why the draw ended; None where that of another ended first.
        left: tokens that it may yet draw.
        has_steps: whether it may begin another step.
        is_full: whether what it sees fills the context.

    >>> [turn_of(Worker("Ann", is_begun=True), Finish.EOS, left=9, has_steps=each) for each in (True, False)]
    ['ends a step', 'rests']
    """
    match finish:
        case Finish.STOP if left:
            return "ends a step" if has_steps else "goes on"
        case Finish.EOS if left and has_steps:
            return "ends a step" if worker.is_begun else "leaves"
        case Finish.TOTAL_LENGTH if is_full:
            return "leaves"
        case Finish.STOP | Finish.EOS | Finish.TOTAL_LENGTH | None if not left or finish is Finish.EOS:
            return "rests"
        case Finish.TOTAL_LENGTH | None:
            return "goes on"
    return "leaves"


def leading(answers: Sequence[str | None]) -> tuple[str | None, int]:
    """The answer that most give, the first of equals, and how many give it; None and 0 where none is given.

    >>> leading(["3", None, "5", "5"]), leading([None]), leading(["3", "5"])
    (('5', 2), (None, 0), ('3', 1))
    """
    votes = Counter(answer for answer in answers if answer is not None)
    return votes.most_common(1)[0] if votes else (None, 0)


@dataclass(frozen=True, slots=True)
class Work:
    """What all workers have written so far.

    Args:
        workers: where each stands.
        history: the steps that were finished, in their order.
        usage: what it cost.
        salt: of the prefix cache that holds it.
    """

    workers: tuple[Worker, ...]
    history: tuple[Block, ...] = ()
    usage: Usage = Usage()
    salt: str = ""

    @property
    def writing(self) -> list[int]:
        """The numbers of the workers that write."""
        return [number for number, worker in enumerate(self.workers) if worker.is_writing]

    @property
    def unfinished(self) -> list[Worker]:
        """The workers that drew some of a step which is not in the history; those broken off where nothing else is."""
        begun = [worker for worker in self.workers if worker.is_begun]
        return [worker for worker in begun if worker.is_present] or ([] if self.history else begun)

    @property
    def tokens(self) -> int:
        """Tokens of the history and of what is unfinished."""
        blocks = (*self.history, *(worker.block for worker in self.workers if worker.is_present))
        return sum(len(block.tokens) for block in blocks)

    def but(self, number: int, worker: Worker) -> Work:
        """The same, but for one worker."""
        return replace(self, workers=(*self.workers[:number], worker, *self.workers[number + 1 :]))
