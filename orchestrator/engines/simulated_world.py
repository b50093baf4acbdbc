"""A language model that can be enumerated: every path, its probability and whether it is right are known.

Each query is a tree. At each of `steps` levels the model writes one line, ``step 2: c``, choosing one of `branching`
letters; the last line is ``answer: 417``, and then the text ends. A path is *sound* until it takes a wrong letter;
from there one letter of each step, rarely taken, repairs it. Sound paths end in the right answer, the others in one of
a few wrong ones that votes can gather behind. Only the letter is random: every other token follows with certainty.

A conversation that says ``problem 17`` (in any case) shares its right answer and its difficulty with every other about
problem 17, so a question asked again in other words (to fuse, to refine) keeps its truth and gets a tree of its own.
A text that leaves its tree (``Wait,``) starts a new attempt at the same problem, with a new tree.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ..canonical import digest
from ..types import Message, Query
from .simulated_tree import LETTERS, Path, Problem, Step

MOST_PATHS = 65_536
MOST_ANSWER = 999
START = "step 1: "
PROBLEM = re.compile(r"problem (\d{1,18})(?!\d)", re.IGNORECASE)
Share = Annotated[float, Field(ge=0.01, le=0.99)]


class World(BaseModel):
    """The knobs of a simulated model. Equal worlds are the same model, in every process.

    Worlds of one seed share their problems: two that differ in `easiest` and `hardest` are a weaker and a stronger
    model before the same questions.

    Args:
        seed: chooses problems and trees.
        steps: lines before the answer.
        branching: letters to choose from in each.
        easiest: least difficulty of a problem, which is one minus its rate of right answers were all steps alike.
        hardest: greatest difficulty; problems lie evenly between the two.
        spread: how unlike the steps of a problem are, as a standard deviation in logits. At 0 the greedy
            answer is right wherever one step is likelier right than wrong.
        repair: probability that a step sets a path right again that went wrong before.
        wrong_answers: different wrong answers of a problem; the fewer, the more votes go astray.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    seed: int = 0
    steps: Annotated[int, Field(ge=1, le=16)] = 3
    branching: Annotated[int, Field(ge=2, le=26)] = 4
    easiest: Share = 0.1
    hardest: Share = 0.9
    spread: Annotated[float, Field(ge=0, le=10)] = 2.0
    repair: Annotated[float, Field(ge=0, lt=1)] = 0.1
    wrong_answers: Annotated[int, Field(ge=1, le=MOST_ANSWER)] = 5

    @model_validator(mode="after")
    def _is_enumerable(self) -> Self:
        if self.branching**self.steps > MOST_PATHS:
            raise ValueError(f"branching ** steps must be at most {MOST_PATHS}; lower one of them")
        if self.easiest > self.hardest:
            raise ValueError("easiest must be at most hardest; swap them")
        return self

    def problem(self, messages: tuple[Message, ...]) -> Problem:
        """The problem that a conversation is about."""
        return _problem(self, messages)

    def tree(self, messages: tuple[Message, ...]) -> Step:
        """The tree of a conversation: its first node, where nothing is written yet."""
        return _tree(self, messages, "")

    def locate(self, messages: tuple[Message, ...], text: str) -> Place:
        """Where a generated text stands; one that leaves its tree stands in that of a new attempt."""
        base = 0
        while True:
            place = _follow(_tree(self, messages, text[:base]), text[base:])
            left_at = base + place.written
            if left_at == len(text):
                return place
            search_from = max(base + 1, left_at - len(START) + 1)
            base = text.find(START, search_from)
            if base < 0:
                written = _overlap(text[search_from:])
                return Place(_tree(self, messages, text[: len(text) - written]), written)

    def paths(self, query: Query, temperature: float = 1.0, top_p: float = 1.0) -> list[Path]:
        """Every path of `query` that can be drawn; their probabilities add up to one.

        >>> world = World(seed=1)
        >>> query = Query.ask("Problem 3?")
        >>> best = max(world.paths(query), key=lambda path: path.probability)
        >>> best.text, round(best.probability, 3), best.is_correct
        ('step 1: b\\nstep 2: c\\nstep 3: d\\nanswer: 579\\n', 0.225, True)
        >>> round(sum(path.probability for path in world.paths(query, temperature=0.5)), 9)
        1.0
        """
        return list(self.tree(query.messages).paths(temperature, top_p))

    def pass_at_1(self, query: Query, temperature: float = 1.0, top_p: float = 1.0) -> float:
        """The probability that one path drawn for `query` is right.

        >>> round(World(seed=1).pass_at_1(Query.ask("Problem 3?")), 3)
        0.319
        """
        return math.fsum(path.probability for path in self.paths(query, temperature, top_p) if path.is_correct)


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a tree: `written` characters of every path through `node` stand already."""

    node: Step
    written: int


def simulated_dataset(size: int, world: World = World(), *, first: int = 0) -> list[Query]:
    """`size` problems of a world, numbered from `first`, with their right answers.

    The metadata says `difficulty`, and `pass_at_1` at temperature 1.

    >>> query = simulated_dataset(1, World(seed=1), first=3)[0]
    >>> query.id, query.messages[0].content, query.reference
    ('problem-3', 'Problem 3: which number do the steps lead to?', '579')
    """
    return [_posed(number, world) for number in range(first, first + size)]


def _posed(number: int, world: World) -> Query:
    query = Query.ask(f"Problem {number}: which number do the steps lead to?", id=f"problem-{number}")
    problem = world.problem(query.messages)
    facts = {"difficulty": problem.difficulty, "pass_at_1": world.tree(query.messages).value}
    return query.model_copy(update={"reference": str(problem.answer), "metadata": facts})


@lru_cache(maxsize=4096)
def _problem(world: World, messages: tuple[Message, ...]) -> Problem:
    named = next((found[1] for message in messages if (found := PROBLEM.search(message.content))), None)
    key = digest("problem", world.seed, int(named) if named else messages)
    rng = Random(int.from_bytes(key, "big"))
    hardness = rng.random()
    answer = int(rng.random() * (MOST_ANSWER + 1))
    others = [number for number in range(MOST_ANSWER + 1) if number != answer]
    wrong = tuple(others.pop(int(rng.random() * len(others))) for _ in range(world.wrong_answers))
    return Problem(answer, wrong, world.easiest + hardness * (world.hardest - world.easiest))


@lru_cache(maxsize=4096)
def _tree(world: World, messages: tuple[Message, ...], before: str) -> Step:
    key = digest("tree", world, messages, before)
    return Step(world, world.problem(messages), key, "", (), is_sound=True)


def _follow(node: Step, text: str) -> Place:
    """As far into the tree as `text` goes."""
    done = 0
    while not node.is_last:
        head, rest = node.head, text[done : done + len(node.head) + 2]
        written = _common(head, rest)
        letter = LETTERS.find(rest[len(head)]) if written == len(head) < len(rest) else -1
        if not 0 <= letter < node.world.branching:
            return Place(node, done + written)
        node, done = node.child(letter), done + written + 1
        if not rest.endswith("\n"):
            return Place(node, done)
        done += 1
    return Place(node, done + _common(node.text[done:], text[done:]))


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _overlap(text: str) -> int:
    """How many of the last characters of `text` may begin an attempt."""
    return next(k for k in range(min(len(START) - 1, len(text)), -1, -1) if text.endswith(START[:k]))
