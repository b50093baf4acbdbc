"""What the trained workers can do, on held-out problems: right answers, passes needed, and what they owe to reading."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import numpy as np
import torch
from abacus import vocabulary
from abacus.llama import Generator

from ponder.orchestrator.data.abacus_workers import Relay, Shared, relay, shared, written

from .drawing import draw
from .lessons import LONGEST, MOST_STEPS, RELAYED
from .rows import row

CHAINS = 4
SPARE = 12  # passes that are waited for workers beyond what they need
HURRIED = 60  # the pass at which workers that cannot read one another must answer
KINDS = {
    "shares": (1, 2, 3, 4),  # four chains
    "single": (1, 2, 3, 4),  # one chain
    "relay": (2, 3, 4),
}

Problem = Shared | Relay


@dataclass(frozen=True, slots=True)
class Run:
    """What the workers of one problem wrote."""

    problem: Problem
    texts: tuple[str, ...]

    @property
    def workers(self) -> int:
        return len(self.texts)

    @property
    def answers(self) -> list[tuple[bool, int]]:
        """Of each worker that is asked something: whether its answer is right, and the pass that completes it."""
        found = []
        for worker, text in enumerate(self.texts, 1):
            if wanted := self.problem.answer(worker, self.workers):
                _, mark, end = text.rpartition("#")
                found.append((bool(mark) and end == f"{wanted}\n", len(text)))
        return found

    @property
    def in_need(self) -> list[bool]:
        """Of each worker whose answer takes what another wrote: whether it is right."""
        parts = (self.problem.part(at, self.workers) for at in range(1, self.workers + 1))
        asked = [part for part in parts if part.asked]
        return [
            is_right
            for part, (is_right, _) in zip(asked, self.answers, strict=True)
            if not set(part.asked) <= {one.letter for one in part.chains}
        ]

    @property
    def lines(self) -> list[bool]:
        """Of each chain, whether a worker wrote its right result."""
        parts = [self.problem.part(worker, self.workers) for worker in range(1, self.workers + 1)]
        return [one.work in text for part, text in zip(parts, self.texts, strict=True) for one in part.chains]

    @property
    def delays(self) -> list[int]:
        """Of each right answer, passes later than the earliest possible."""
        best = [len(text) for text in written(self.problem, self.workers)]
        asked = [at for at in range(self.workers) if self.problem.answer(at + 1, self.workers)]
        return [done - best[at] for at, (is_right, done) in zip(asked, self.answers, strict=True) if is_right]


def measure(model: Generator, problems: int, seed: int) -> dict[str, Any]:
    """All figures, from `problems` test problems of every kind and number of workers."""
    model.eval()
    figures: dict[str, Any] = {"problems": problems, "seed": seed, "hurried": HURRIED}
    for kind, counts in KINDS.items():
        figures[kind] = {str(workers): _cell(model, kind, workers, problems, seed) for workers in counts}
    return figures


def _cell(model: Generator, kind: str, workers: int, problems: int, seed: int) -> dict[str, Any]:
    random = Random(f"{kind} {workers} {seed}")
    asked = [drawn(kind, random, workers) for _ in range(problems)]
    warm = partial(torch.Generator().manual_seed, seed)
    found = {
        "greedy": _figures(runs(model, asked, workers)),
        "temperature 1": _figures(runs(model, asked, workers, warm())),
    }
    if workers > 1:
        blind = [is_right for run in runs(model, asked, workers, hurried=HURRIED) for is_right in run.in_need]
        found["others hidden, greedy"] = {"right": _mean(blind)}
    return found


def drawn(kind: str, random: Random, workers: int) -> Problem:
    """A test problem of one kind."""
    if kind == "relay":
        return relay(random, workers, RELAYED, "test")
    if kind == "single":
        return shared(random, [random.randint(1, LONGEST)], "test")
    return shared(random, [random.randint(1, MOST_STEPS) for _ in range(CHAINS)], "test")


def runs(
    model: Generator,
    asked: Sequence[Problem],
    workers: int,
    random: torch.Generator | None = None,
    hurried: int | None = None,
) -> list[Run]:
    """What the workers of every problem write; see `draw`."""
    rows = [row(problem, workers) for problem in asked]
    needed = max(len(text) for one in rows for text in one.written) if hurried is None else hurried
    made = draw(model, rows, needed + SPARE, random, hurried)
    return [Run(problem, tuple(map(vocabulary.decode, texts))) for problem, texts in zip(asked, made, strict=True)]


def _figures(made: Sequence[Run]) -> dict[str, float | None]:
    every = [answer for run in made for answer in run.answers]
    first = [min(run.answers, key=lambda answer: answer[1]) for run in made]
    return {
        "right": _mean(is_right for is_right, _ in every),
        "first answer right": _mean(is_right for is_right, _ in first),
        "chain right": _mean(is_right for run in made for is_right in run.lines),
        "passes to the first answer": _mean(done for _, done in first),
        "passes later than possible": _mean(late for run in made for late in run.delays),
    }


def _mean(values: Iterable[float]) -> float | None:
    given = list(values)
    return round(float(np.mean(given)), 4) if given else None
