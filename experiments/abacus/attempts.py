"""Attempts at training problems and what rollouts say of them: the labels of both judges."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from ponder.orchestrator.data.abacus import MAX_STEPS, Problem, final_answer, problems

from . import vocabulary
from .llama import Generator
from .sampler import sample

LINE, ENDING = 12, 6  # tokens of the longest step and of the longest answer line with EOS


@dataclass(frozen=True, slots=True)
class Attempt:
    """One sampled solution: its problem and the tokens written, EOS included if it came."""

    problem: Problem
    tokens: tuple[int, ...]

    @property
    def text(self) -> str:
        """The text written."""
        return vocabulary.decode(list(self.tokens))

    @property
    def is_finished(self) -> bool:
        """Whether the model ended the solution itself."""
        return bool(self.tokens) and self.tokens[-1] == vocabulary.EOS

    @property
    def is_correct(self) -> bool:
        """Whether it is finished and its final answer is the reference answer."""
        return self.is_finished and final_answer(self.text) == self.problem.answer

    @property
    def marks(self) -> list[int]:
        """The lengths of the prefixes that end in a step mark, at most one a line of a well-formed solution."""
        found = [index + 1 for index, token in enumerate(self.tokens) if token == vocabulary.NEWLINE]
        return found[: MAX_STEPS + 1]


def attempt(model: Generator, asked: Sequence[Problem], draws: int, seed: int) -> list[list[Attempt]]:
    """`draws` attempts at each problem, at temperature 1."""
    prompts = [vocabulary.encode(one.prompt) for one in asked for _ in range(draws)]
    limits = [_limit(one, 0) for one in asked for _ in range(draws)]
    found = iter(sample(model, prompts, limits, seed))
    return [[Attempt(one, tuple(next(found))) for _ in range(draws)] for one in asked]


def _limit(asked: Problem, written: int) -> int:
    """Tokens that the longest well-formed rest of a solution takes, after so many lines."""
    return LINE * max(asked.steps - written, 0) + ENDING


def training_attempts(model: Generator, count: int, draws: int, seed: int) -> list[list[Attempt]]:
    """Attempts at `count` training problems, as many of each difficulty."""
    asked = islice(problems(range(1, MAX_STEPS + 1), seed, "train"), count)
    return attempt(model, list(asked), draws, seed)


def step_labels(model: Generator, tried: Sequence[Attempt], rollouts: int, seed: int) -> list[list[int]]:
    """One label a step mark: 1 where one of `rollouts` continuations of the prefix reaches the answer.

    The hard estimate of Math-Shepherd (Wang et al. 2024). A correct attempt is itself such a continuation of all its
    prefixes; and as in OmegaPRM (Luo et al. 2024) nothing is rolled out after the first step labelled 0.
    """
    labels = [[int(one.is_correct)] * len(one.marks) for one in tried]
    alive = [index for index, one in enumerate(tried) if not one.is_correct]
    for depth in range(MAX_STEPS):
        alive = [index for index in alive if depth < len(tried[index].marks) - tried[index].is_finished]
        prefixes = {index: tried[index].tokens[: tried[index].marks[depth]] for index in alive}
        reached = _reached(model, {(tried[index].problem, prefixes[index]) for index in alive}, rollouts, seed + depth)
        alive = [index for index in alive if (tried[index].problem, prefixes[index]) in reached]
        for index in alive:
            labels[index][depth] = 1
    return labels


Prefix = tuple[Problem, tuple[int, ...]]


def _reached(model: Generator, prefixes: set[Prefix], rollouts: int, seed: int) -> set[Prefix]:
    """The prefixes from which at least one continuation ends in the right answer."""
    ordered = sorted(prefixes, key=lambda prefix: (prefix[0].prompt, prefix[1]))
    starts = [vocabulary.encode(asked.prompt) + list(tokens) for asked, tokens in ordered for _ in range(rollouts)]
    limits = [_limit(asked, tokens.count(vocabulary.NEWLINE)) for asked, tokens in ordered for _ in range(rollouts)]
    continued = iter(sample(model, starts, limits, seed))
    return {
        (asked, tokens)
        for asked, tokens in ordered
        for _ in range(rollouts)
        if Attempt(asked, (*tokens, *next(continued))).is_correct
    }


def others_right(group: Sequence[Attempt]) -> Iterator[float]:
    """For each attempt at one problem, the share of the other attempts that are right."""
    right = sum(one.is_correct for one in group)
    for one in group:
        yield (right - one.is_correct) / (len(group) - 1)
