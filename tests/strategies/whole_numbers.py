"""A domain that is no text: whole numbers that grow by a digit at a time, with a known law and known scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine, Hashable, Mapping, Sequence
from random import Random
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")

LAW = {0: {1: 0.5, 2: 0.3, 3: 0.2}, 1: {4: 0.6, 5: 0.4}, 2: {4: 0.1, 5: 0.9}, 25: {6: 0.5, 7: 0.5}}
"""The law of the next digit, after 0 for nothing; a number that is not in it is whole."""
SCORES = {1: 0.4, 2: 0.7, 3: 0.3, 14: 0.9, 15: 0.2, 24: 0.55, 25: 0.6, 256: 0.8, 257: 0.35}


def whole_numbers(law: Mapping[int, Mapping[int, float]] = LAW, number: int = 0, odds: float = 1.0) -> dict[int, float]:
    """The probability of each whole number."""
    if number not in law:
        return {number: odds}
    parts = [whole_numbers(law, number * 10 + digit, odds * share) for digit, share in law[number].items()]
    return {whole: chance for part in parts for whole, chance in part.items()}


class Digits:
    """Numbers by their law; `lost` is how often a child does not come back."""

    def __init__(self, random: Random, scores: Mapping[int, float | None] = SCORES, lost: float = 0.0) -> None:
        self.random, self.scores, self.lost = random, scores, lost
        self.asked = list[list[tuple[int | None, int]]]()
        self.is_stopped = False

    async def extend(self, parents: Sequence[tuple[int | None, int]]) -> list[list[int]]:
        self.asked.append(list(parents))
        return [
            [self._child(parent or 0) for _ in range(count) if self.random.random() >= self.lost]
            for parent, count in parents
        ]

    async def score(self, states: Sequence[int]) -> list[tuple[int, float | None]]:
        return [(state, self.scores[state]) for state in states]

    def is_terminal(self, state: int) -> bool:
        return state not in LAW

    def key(self, state: int) -> Hashable:
        return state

    def cost(self, state: int) -> float:
        return 1.0

    def _child(self, parent: int) -> int:
        law = LAW[parent]
        return parent * 10 + self.random.choices(list(law), list(law.values()))[0]


def now(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise AssertionError("it waits for something")


def within(found: Counter[int], law: Mapping[int, float], sigmas: float = 4.5) -> bool:
    """Whether independent draws are as the law says."""
    runs = sum(found.values())
    errors = {each: (share * (1 - share) / runs) ** 0.5 for each, share in law.items()}
    return set(found) <= set(law) and all(
        abs(found[each] / runs - share) <= sigmas * errors[each] for each, share in law.items()
    )


def stream(seed: int) -> Any:
    """Random numbers for a search: one stream whatever the name, which is quicker than one a level."""
    rng = np.random.default_rng(seed)
    return lambda name: rng
