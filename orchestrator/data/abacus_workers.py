r"""Chain arithmetic for workers that write side by side and read each other: the language of the model abacus-workers.

The tokens are bytes. Up to four chains of the abacus task have a letter each; no value leaves 0 to 99, so the modulus
never shows, and every result has two digits.

* **Prompt**: ``a37+52-19 b8*7+30=``, the chains in the order of their letters, apart by a space. A relay's is ``=``.
* **Opening**: ``2/3:`` before the text of worker 2 of 3, put in and not written by it. One worker alone may go without.
* **Work**: a worker's chains one after the other; each is its letter, the abacus lines, and the result line::

      b8*7=56
      56+30=86
      b=86

  Worker w of W does the chains w, w + W, w + 2W, ... of the prompt.
* **Waiting**: ``.`` is written as long as a result that the worker needs is not there, its newline included.
* **Answer**: ``#7086`` and a newline, the results of all chains in the order of their letters: every worker writes it,
  also one that had no chain to do. Then it ends; ``<eos>`` is drawn, and not put into its text.
* **Relay**: what a worker knows and is asked stands in a private text that only it sees, read before the opening:
  ``c37+52-19?b`` says that it holds chain ``c`` and must answer ``b``, which another worker holds. ``c37`` is a number
  to tell, a chain without steps; ``?b`` a question alone. Letters are drawn. A worker writes the work on what it holds,
  answers if it is asked, and ends; one without a private text ends at once.

Workers write in step: after a pass each sees all that was fed up to and in this pass, and what it draws is fed in the
next. The openings are fed in one pass, the first.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from ..errors import UsageError
from .abacus import ANSWER_MARK, Operation, Problem, Split, split_of

LETTERS = "abcdefgh"
MOST_CHAINS, MOST_WORKERS = 4, 4
WAITING = "."
TOP = 99  # the largest value; a result has two digits


@dataclass(frozen=True, slots=True)
class Chain:
    r"""A chain of operations under its letter.

    >>> chain = Chain("b", Problem(8, (("*", 7), ("+", 30))))
    >>> chain.asked, chain.work
    ('b8*7+30', 'b8*7=56\n56+30=86\nb=86\n')
    """

    letter: str
    problem: Problem

    @property
    def asked(self) -> str:
        """The chain as a prompt or a private text states it."""
        return self.letter + self.problem.prompt.removesuffix("=")

    @property
    def result(self) -> str:
        """Its two digits."""
        return self.problem.answer

    @property
    def work(self) -> str:
        """The worked lines and the result line."""
        lines, _, _ = self.problem.solution.rpartition(ANSWER_MARK)
        return f"{self.letter if lines else ''}{lines}{self.letter}={self.result}\n"


@dataclass(frozen=True, slots=True)
class Part:
    """What one worker is told alone, does, and must answer: letters, "" for nothing."""

    private: str
    chains: tuple[Chain, ...]
    asked: str

    @property
    def work(self) -> str:
        """All its worked lines."""
        return "".join(chain.work for chain in self.chains)


@dataclass(frozen=True, slots=True)
class Shared:
    """Chains in the prompt, which any number of workers share out.

    >>> both = Shared((Chain("a", Problem(37, (("+", 52),))), Chain("b", Problem(8, (("*", 7),)))))
    >>> both.prompt, both.answer(1, 2)
    ('a37+52 b8*7=', '8956')
    """

    chains: tuple[Chain, ...]

    @property
    def prompt(self) -> str:
        """What all workers are asked."""
        return " ".join(chain.asked for chain in self.chains) + "="

    def part(self, worker: int, workers: int) -> Part:
        """The part of worker 1, 2, ... of `workers`."""
        letters = "".join(chain.letter for chain in self.chains)
        return Part("", self.chains[_number(worker, workers) - 1 :: workers], letters)

    def answer(self, worker: int, workers: int) -> str:
        """What the worker must answer."""
        return _answer(self.part(worker, workers).asked, self.chains)


@dataclass(frozen=True, slots=True)
class Relay:
    """What each worker alone knows and is asked.

    >>> relay = Relay((Part("c37", (Chain("c", Problem(37, ())),), ""), Part("?c", (), "c")))
    >>> relay.answer(2, 2), written(relay, 2)
    ('37', ['c=37\\n', '.....#37\\n'])
    """

    parts: tuple[Part, ...]

    @property
    def prompt(self) -> str:
        """What all workers are asked: nothing."""
        return "="

    def part(self, worker: int, workers: int) -> Part:
        """The part of worker 1, 2, ... of `workers`."""
        if workers != len(self.parts):
            raise UsageError(f"this relay must have {len(self.parts)} workers, got {workers}")
        return self.parts[_number(worker, workers) - 1]

    def answer(self, worker: int, workers: int) -> str:
        """What the worker must answer; "" where it is asked nothing."""
        return _answer(self.part(worker, workers).asked, [chain for part in self.parts for chain in part.chains])


def opening(worker: int, workers: int) -> str:
    """What stands before the text of worker 1, 2, ... of `workers`.

    >>> opening(2, 3)
    '2/3:'
    """
    return f"{_number(worker, workers)}/{workers}:"


def written(problem: Shared | Relay, workers: int) -> list[str]:
    r"""What every worker writes after its opening when all goes well, a token in each pass; each then ends.

    >>> both = Shared((Chain("a", Problem(37, (("+", 52),))), Chain("b", Problem(8, (("*", 7), ("+", 30))))))
    >>> for text in written(both, 2):
    ...     print(repr(text))
    'a37+52=89\na=89\n.......#8986\n'
    'b8*7=56\n56+30=86\nb=86\n#8986\n'
    """
    parts = [problem.part(worker, workers) for worker in range(1, workers + 1)]
    told = {letter: done for part in parts for letter, done in _told(part)}
    return [
        part.work + _ending(part, told, problem.answer(worker, workers)) if part.asked else part.work
        for worker, part in enumerate(parts, 1)
    ]


def shared(rng: Random, steps: Sequence[int], split: Split | None = None) -> Shared:
    """A random problem of one chain for each number of `steps`, all of one `split` where it is named.

    >>> shared(Random(0), (2, 1)).prompt
    'a50-3-33 b39-23='
    """
    if not 1 <= len(steps) <= MOST_CHAINS:
        raise UsageError(f"a problem must have 1 to {MOST_CHAINS} chains, got {len(steps)}")
    return Shared(tuple(Chain(letter, chain(rng, one, split)) for letter, one in zip(LETTERS, steps, strict=False)))


def relay(rng: Random, workers: int, most_steps: int, split: Split | None = None) -> Relay:
    """A random relay: some hold a chain of 0 to `most_steps` steps, and some, at least one, are asked another's.

    >>> [part.private for part in relay(Random(0), 3, 1).parts]
    ['?h', 'h52-31', '?h']
    """
    if not 2 <= workers <= MOST_WORKERS:
        raise UsageError(f"a relay must have 2 to {MOST_WORKERS} workers, got {workers}")
    letters = rng.sample(LETTERS, workers)
    holders = rng.sample(range(workers), rng.randint(1, workers))
    held = {at: Chain(letters[at], chain(rng, rng.randint(0, most_steps), split)) for at in holders}
    able = [at for at in range(workers) if set(held) - {at}]
    askers = rng.sample(able, rng.randint(1, len(able)))
    asked = {at: held[rng.choice(sorted(set(held) - {at}))].letter for at in askers}
    return Relay(tuple(_relay_part(held.get(at), asked.get(at, "")) for at in range(workers)))


def chain(rng: Random, steps: int, split: Split | None = None) -> Problem:
    """A random chain whose values stay between 0 and 99 and whose result has two digits; a number where it has no step.

    >>> chain(Random(0), 3).prompt
    '39-23*3*2='
    """
    while True:
        drawn = Problem(rng.randint(10, TOP) if not steps else rng.randint(1, TOP), ())
        for _ in range(steps):
            drawn = Problem(drawn.start, (*drawn.operations, _operation(rng, drawn.values[-1])))
        if len(drawn.answer) == 2 and (not steps or split is None or split_of(drawn.prompt) == split):
            return drawn


def _operation(rng: Random, value: int) -> Operation:
    """One that keeps the value between 0 and 99: of the kinds that can, each as often."""
    most = {"+": TOP - value, "-": value, "*": min(9, TOP // max(value, 1))}
    least = {"+": 1, "-": 1, "*": 2}
    sign = rng.choice([kind for kind in "+-*" if most[kind] >= least[kind]])
    return sign, rng.randint(least[sign], most[sign])


def _relay_part(held: Chain | None, asked: str) -> Part:
    private = (held.asked if held else "") + (f"?{asked}" if asked else "")
    return Part(private, (held,) if held else (), asked)


def _told(part: Part) -> Iterable[tuple[str, int]]:
    """For each chain of a part, how many tokens its worker has written when the result line is complete."""
    done = 0
    for one in part.chains:
        done += len(one.work)
        yield one.letter, done


def _ending(part: Part, told: dict[str, int], answer: str) -> str:
    """Waiting and the answer line: what is drawn after a pass follows all that was fed up to and in it."""
    ready = max(told[letter] for letter in part.asked)
    return WAITING * max(0, ready - len(part.work)) + f"{ANSWER_MARK}{answer}\n"


def _number(worker: int, workers: int) -> int:
    if not 1 <= worker <= workers <= MOST_WORKERS:
        raise UsageError(
            f"a worker must be one of 1 to {MOST_WORKERS} workers, counted from 1, got {worker} of {workers}"
        )
    return worker


def _answer(letters: str, chains: Iterable[Chain]) -> str:
    results = {one.letter: one.result for one in chains}
    return "".join(results[letter] for letter in letters)
