"""The tree of a simulated query: what may follow each line, with what probability, and whether it ends right."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import accumulate
from random import Random
from statistics import NormalDist
from typing import TYPE_CHECKING

from .byte_vocabulary import END, encode

if TYPE_CHECKING:
    from .simulated_world import World

LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is true of a problem: its right answer, the wrong ones, and how hard it is, from 0 to 1."""

    answer: int
    wrong: tuple[int, ...]
    difficulty: float


@dataclass(frozen=True, slots=True)
class Path:
    """A whole path.

    Args:
        probability: of drawing just this path.
        tokens: with the end token.
        text: the steps and the answer, a line each.
        answer: as the last line says it.
        is_correct: whether that is right.
        values: after each line, the probability at temperature 1 that the path ends right.
    """

    probability: float
    tokens: tuple[int, ...]
    text: str
    answer: str
    is_correct: bool
    values: tuple[float, ...]


class Step:
    """A node of the tree: the lines written so far and the law of the next letter.

    Args:
        world: the model whose tree it is.
        problem: what the tree is about.
        key: names the node; every random number of it comes from here.
        lines: the lines so far.
        logprobs: of the letter of each line, in nats, at temperature 1.
        is_sound: whether the path is right so far.
    """

    __slots__ = (
        "_children", "_laws", "_tokens", "_value", "depth", "is_sound", "key", "logprobs", "problem", "right", "text",
        "weights", "world",
    )  # fmt: skip

    def __init__(
        self, world: World, problem: Problem, key: bytes, lines: str, logprobs: tuple[float, ...], is_sound: bool
    ) -> None:
        self.world = world
        self.problem = problem
        self.key = key
        self.logprobs = logprobs
        self.depth = len(logprobs)
        self.is_sound = is_sound
        rng = Random(int.from_bytes(key, "big"))
        self.text = lines + (f"answer: {self._answer(rng)}\n" if self.is_last else "")
        self.weights, self.right = ((), -1) if self.is_last else self._letters(rng)
        self._children: dict[int, Step] = {}
        self._laws: dict[tuple[float, float], tuple[tuple[float, ...], tuple[float, ...]]] = {}
        self._tokens: tuple[int, ...] = ()
        self._value: float | None = None

    @property
    def is_last(self) -> bool:
        """Whether the path is written to its end."""
        return self.depth == self.world.steps

    @property
    def head(self) -> str:
        """What the next line begins with, before its letter."""
        return f"step {self.depth + 1}: "

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens of a whole path, its end included."""
        self._tokens = self._tokens or (*encode(self.text), END)
        return self._tokens

    @property
    def value(self) -> float:
        """The probability, at temperature 1, that a path through this node is right."""
        if self._value is None:
            values = (weight * self.child(i).value for i, weight in enumerate(self.weights) if weight)
            self._value = float(self.is_sound) if self.is_last else min(1.0, math.fsum(values))
        return self._value

    def child(self, letter: int) -> Step:
        """The node after the `letter`-th letter."""
        if letter not in self._children:
            weight = self.weights[letter]
            self._children[letter] = Step(
                self.world,
                self.problem,
                blake2b(self.key + bytes([letter]), digest_size=16).digest(),
                f"{self.text}{self.head}{LETTERS[letter]}\n",
                (*self.logprobs, math.log(weight) if weight else -math.inf),
                letter == self.right,
            )
        return self._children[letter]

    def law(self, temperature: float = 1.0, top_p: float = 1.0) -> tuple[float, ...]:
        """The probability of each letter; see `reshaped`."""
        return self._law(temperature, top_p)[0]

    def draw(self, temperature: float, top_p: float, seed: int) -> Step:
        """The end of the path that `seed` draws from here."""
        node = self
        while not node.is_last:
            node = node.child(bisect_right(node._law(temperature, top_p)[1], uniform(node.key, "draw", seed)))
        return node

    def paths(
        self, temperature: float, top_p: float, odds: float = 1.0, values: tuple[float, ...] = ()
    ) -> Iterator[Path]:
        """The whole paths through this node that can be drawn from it, in the order of their letters."""
        if self.is_last:
            answer = self.text[self.text.rindex(" ") + 1 : -1]
            yield Path(odds, self.tokens, self.text, answer, self.is_sound, (*values, self.value))
        for letter, share in enumerate(self.law(temperature, top_p)):
            if share:
                child = self.child(letter)
                yield from child.paths(temperature, top_p, odds * share, (*values, child.value))

    def _law(self, temperature: float, top_p: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The law, and its running sum; the sum is 1 from the last possible letter on."""
        if (temperature, top_p) not in self._laws:
            law = reshaped(self.weights, temperature, top_p)
            last = max((i for i, share in enumerate(law) if share), default=0)
            rising = (*tuple(accumulate(law))[:last], *[1.0] * (len(law) - last))
            self._laws[temperature, top_p] = (law, rising)
        return self._laws[temperature, top_p]

    def _answer(self, rng: Random) -> int:
        wrong = self.problem.wrong
        return self.problem.answer if self.is_sound else wrong[int(rng.random() ** 2 * len(wrong))]

    def _letters(self, rng: Random) -> tuple[tuple[float, ...], int]:
        """The probability of each letter, and which one is right; the wrong ones share by a flat Dirichlet law."""
        world = self.world
        right, noise = int(rng.random() * world.branching), NormalDist().inv_cdf(rng.random() or 0.5)
        share = world.repair
        if self.is_sound:
            share = logistic(logit((1 - self.problem.difficulty) ** (1 / world.steps)) + world.spread * noise)
        parts = [0.0 if i == right else -math.log(1 - rng.random()) for i in range(world.branching)]
        scale = (1 - share) / (math.fsum(parts) or 1.0)
        return tuple(share if i == right else part * scale for i, part in enumerate(parts)), right


def reshaped(weights: Sequence[float], temperature: float, top_p: float) -> tuple[float, ...]:
    """``p ** (1 / temperature)``, then the fewest likeliest that hold `top_p` of it, renormalised.

    At temperature 0 the likeliest is certain. The first of equals goes before the others.

    >>> reshaped((0.2, 0.8), 1.0, 1.0)
    (0.2, 0.8)
    >>> reshaped((0.2, 0.4, 0.4), 0.0, 1.0)
    (0.0, 1.0, 0.0)
    >>> reshaped((0.5, 0.25, 0.25), 1.0, 0.6)
    (0.6666666666666666, 0.3333333333333333, 0.0)
    """
    if not weights:
        return ()
    most = max(weights)
    if temperature == 0:
        first = weights.index(most)
        return tuple(float(i == first) for i in range(len(weights)))
    powers = [(weight / most) ** (1 / temperature) for weight in weights]
    total = math.fsum(powers)
    kept, mass = set[int](), 0.0
    for i in sorted(range(len(powers)), key=lambda i: -powers[i]):
        if mass >= top_p:
            break
        kept.add(i)
        mass += powers[i] / total
    total = math.fsum(powers[i] for i in kept)
    return tuple(power / total if i in kept else 0.0 for i, power in enumerate(powers))


def uniform(key: bytes, purpose: str, number: int = 0) -> float:
    """A number in [0, 1) that depends on nothing but the arguments.

    >>> uniform(b"key", "draw", 7) == uniform(b"key", "draw", 7) != uniform(b"key", "draw", 8)
    True
    """
    data = blake2b(key + purpose.encode() + b"%d" % number, digest_size=8).digest()
    return (int.from_bytes(data, "big") >> 11) * 2.0**-53


def logit(p: float) -> float:
    """The log-odds of a probability strictly between 0 and 1."""
    return math.log(p / (1 - p))


def logistic(x: float) -> float:
    """The probability whose log-odds are `x`."""
    return 1 / (1 + math.exp(-x)) if x > -700 else 0.0
