"""The generator: next-token loss on worked solutions of random training problems, never the same twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from torch import Tensor
from torch.nn import functional as F

from ponder.orchestrator.data.abacus import Problem, problem

from . import vocabulary
from .llama import Generator
from .training import IGNORED, POOL, Batch, Row, by_length


def solutions(random: Random, size: int, weights: Sequence[float]) -> Iterator[Batch]:
    """Endless batches of `size` solved problems; `weights` are the shares of 1, 2, ... steps."""
    while True:
        steps = random.choices(range(1, len(weights) + 1), weights, k=size * POOL)
        yield from by_length([_worked(problem(random, count, "train")) for count in steps], random, size)


def row(prompt: str, written: Sequence[int]) -> Row:
    """Ids, and under each the id that follows, ignored inside the prompt.

    >>> row("7*6=", [35, 52, 50, 10])
    ([55, 42, 54, 61, 35, 52, 50], [-100, -100, -100, 35, 52, 50, 10])
    """
    asked = vocabulary.encode(prompt)
    return [*asked, *written][:-1], [IGNORED] * (len(asked) - 1) + list(written)


def _worked(solved: Problem) -> Row:
    return row(solved.prompt, [*vocabulary.encode(solved.solution), vocabulary.EOS])


def loss(model: Generator, batch: Batch) -> Tensor:
    """Mean cross-entropy over the targets that count."""
    ids, targets = batch
    wanted = targets != IGNORED
    return F.cross_entropy(model.lm_head(model.model(ids)[wanted]), targets[wanted])
