"""The abacus task: left-to-right chain arithmetic modulo 1000, solved by writing one step a line.

A prompt such as ``37+52*4-19=`` is read without precedence. Its solution writes every step, ``37+52=89``, ``89*4=356``,
``356-19=337``, and then the answer line ``#337``; each line ends in a newline. The number of steps is the difficulty.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from random import Random
from typing import TYPE_CHECKING, Literal

from ..errors import UsageError

if TYPE_CHECKING:
    from datasets import Dataset

Split = Literal["train", "test"]
Operation = tuple[str, int]
MODULUS = 1000
MAX_STEPS = 8
ANSWER_MARK = "#"
HELD_OUT = 32  # of 256 values of the hash, those of the test split

_NUMBER = "(?:0|[1-9][0-9]{0,2})"
_PROMPT = re.compile(rf"({_NUMBER})((?:[-+*]{_NUMBER}){{1,{MAX_STEPS}}})=")
_OPERATION = re.compile(rf"([-+*])({_NUMBER})")
_FINISHED = re.compile(rf"(?:[^#\n]*\n)*{ANSWER_MARK}({_NUMBER})\n")


@dataclass(frozen=True, slots=True)
class Problem:
    """A first number and the operations to apply to it, in order, each modulo 1000.

    >>> chain = Problem(37, (("+", 52), ("*", 4), ("-", 19)))
    >>> chain.prompt, chain.steps, chain.answer
    ('37+52*4-19=', 3, '337')
    >>> chain.solution.splitlines()
    ['37+52=89', '89*4=356', '356-19=337', '#337']
    """

    start: int
    operations: tuple[Operation, ...]

    @property
    def steps(self) -> int:
        """How many operations: the difficulty."""
        return len(self.operations)

    @property
    def prompt(self) -> str:
        """What is asked."""
        return f"{self.start}{''.join(f'{sign}{operand}' for sign, operand in self.operations)}="

    @property
    def values(self) -> tuple[int, ...]:
        """The running value before the first step and after each."""
        return tuple(accumulate(self.operations, apply, initial=self.start))

    @property
    def answer(self) -> str:
        """The reference answer."""
        return str(self.values[-1])

    @property
    def solution(self) -> str:
        """The worked solution: `steps` + 1 lines, each ending in a newline."""
        return "".join(map(_line, self.values, self.operations)) + f"{ANSWER_MARK}{self.answer}\n"


def apply(value: int, operation: Operation) -> int:
    """One operation modulo 1000.

    >>> apply(37, ("-", 52)), apply(356, ("*", 4))
    (985, 424)
    """
    sign, operand = operation
    return {"+": value + operand, "-": value - operand, "*": value * operand}[sign] % MODULUS


def problem(rng: Random, steps: int, split: Split | None = None) -> Problem:
    """A random problem: from 1 to 99, add or subtract 1 to 999 or multiply by 2 to 9; of one `split` where it is named.

    >>> problem(Random(0), 2).prompt
    '50-5*9='
    >>> split_of(problem(Random(0), 2, "test").prompt)
    'test'
    """
    if not 1 <= steps <= MAX_STEPS:
        raise UsageError(f"steps must be between 1 and {MAX_STEPS}, got {steps!r}")
    while True:
        drawn = Problem(rng.randint(1, 99), tuple(_operation(rng) for _ in range(steps)))
        if split is None or split_of(drawn.prompt) == split:
            return drawn


def split_of(prompt: str) -> Split:
    """The split a prompt belongs to, by its hash alone: one in eight is held out for tests."""
    return "test" if hashlib.sha256(prompt.encode()).digest()[0] < HELD_OUT else "train"


def parse(prompt: str) -> Problem:
    """The problem a prompt asks."""
    found = _PROMPT.fullmatch(prompt)
    if found is None:
        raise UsageError(f"prompt must look like '37+52*4-19=' with at most {MAX_STEPS} steps, got {prompt!r}")
    return Problem(int(found[1]), tuple((sign, int(operand)) for sign, operand in _OPERATION.findall(found[2])))


def solve(prompt: str) -> str:
    r"""The worked solution of a prompt.

    >>> solve("7*6=")
    '7*6=42\n#42\n'
    """
    return parse(prompt).solution


def check_step(prompt: str, before: str, line: str) -> bool:
    r"""Whether `line` is the right next line after the lines `before`: it carries on from the value they end at.

    An earlier mistake is not held against a later line.

    >>> check_step("7*6+1=", "", "7*6=42\n"), check_step("7*6+1=", "", "7*6=41\n")
    (True, False)
    >>> check_step("7*6+1=", "7*6=41\n", "41+1=42\n")
    True
    """
    asked, done = parse(prompt), before.count("\n")
    ending = re.search(rf"=({_NUMBER})\n\Z", before)
    if done > asked.steps or (before and ending is None):
        return False
    value = int(ending[1]) if ending else asked.start
    return line == (_line(value, asked.operations[done]) if done < asked.steps else f"{ANSWER_MARK}{value}\n")


def correct_steps(prompt: str, text: str) -> int:
    r"""How many lines of `text`, from the first on, are right before the first that is not.

    >>> correct_steps("7*6+1=", "7*6=42\n42+1=44\n#44\n")
    1
    """
    lines = re.findall(r"[^\n]*\n|[^\n]+", text)
    wrong = (i for i, line in enumerate(lines) if not check_step(prompt, "".join(lines[:i]), line))
    return next(wrong, len(lines))


def final_answer(text: str) -> str | None:
    r"""The answer of a finished solution: its last line is a well-formed answer line, and no other line is one.

    >>> final_answer("7*6=42\n#42\n")
    '42'
    >>> [final_answer(text) for text in ("7*6=42\n", "7*6=42\n#42", "#042\n", "#42\n#42\n")]
    [None, None, None, None]
    """
    found = _FINISHED.fullmatch(text)
    return found[1] if found else None


def problems(steps: Sequence[int], seed: int, split: Split) -> Iterator[Problem]:
    """Endless distinct problems of one split; any run of ``len(steps)`` of them holds each difficulty once."""
    rng, seen = Random(f"abacus {split} {seed}"), set[str]()
    for index in count():
        drawn = problem(rng, steps[index % len(steps)], split)
        while drawn.prompt in seen:
            drawn = problem(rng, drawn.steps, split)
        seen.add(drawn.prompt)
        yield drawn


def dataset(size: int, steps: Sequence[int] = (1, 2, 3, 4, 5, 6), seed: int = 0, split: Split = "test") -> Dataset:
    """`size` distinct problems as columns id, prompt, answer and difficulty; a shorter one is a prefix of a longer one.

    >>> rows = dataset(6)
    >>> rows.column_names, rows["difficulty"][:3]
    (['id', 'prompt', 'answer', 'difficulty'], [1, 2, 3])
    """
    from datasets import Dataset

    rows = [
        {"id": f"abacus-{split}-{seed}-{index}", "prompt": one.prompt, "answer": one.answer, "difficulty": one.steps}
        for index, one in zip(range(size), problems(steps, seed, split), strict=False)
    ]
    return Dataset.from_list(rows)


def _operation(rng: Random) -> Operation:
    if (sign := rng.choice("+-*")) == "*":
        return sign, rng.randint(2, 9)
    digits = rng.randint(1, 3)
    return sign, rng.randint(10 ** (digits - 1), 10**digits - 1)


def _line(value: int, operation: Operation) -> str:
    return f"{value}{operation[0]}{operation[1]}={apply(value, operation)}\n"
