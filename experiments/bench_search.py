"""What a search costs by itself: our own processor time a proposal, with 10,000 compositions and 500 of them evaluated.

Measurements answer at once, so that all that is left is deciding. The search stands where 500 compositions are known
and goes on for as many proposals as make it fit its surrogate anew once; beside it, a textbook loop over the same
compositions that fits, predicts and proposes one composition at a time and keeps nothing in between.

Goal: at most 50 ms of processor time a proposal, in the median of the repeats. The last line sums up; the exit status
is 1 where the goal is missed. Takes about a minute; writes ``experiments/results/bench_search.json``.

    python experiments/bench_search.py
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ponder.search.decisions.expected_improvement import expected_improvement
from ponder.search.decisions.racing_search import RacingSearch
from ponder.search.problem import Ask, Floats, Indices, Row

RESULTS = Path(__file__).parent / "results" / "bench_search.json"
COMPOSITIONS, EVALUATED, ITEMS, KNOBS = 10_000, 500, 100, 9
PROPOSALS, TEXTBOOK_PROPOSALS = 125, 3  # a quarter more than are evaluated, at which the surrogate is fitted anew
REPEATS, GOAL_MS = 5, 50.0
LENGTHS = np.geomspace(0.2, 5.0, 10)


class Instant:
    """Compositions of smooth accuracy, measured at once; the budget never ends.

    Args:
        seed: decides everything.
    """

    size, items, levels, spent = COMPOSITIONS, ITEMS, (10.0, 30.0, 50.0), 0.0

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.features: Floats = self._rng.random((COMPOSITIONS, KNOBS))
        self.families: Indices = np.zeros(COMPOSITIONS, dtype=np.intp)
        self.costs = 2 + 48 * self.features.mean(axis=1)
        self.accuracies = 0.6 + 0.3 * np.sin(3 * self.features[:, 0]) * self.features[:, 1]

    def cost(self, composition: int) -> float:
        """Of a query."""
        return float(self.costs[composition])

    def price(self, asks: Sequence[Ask]) -> float:
        """A little for each item."""
        return sum(self.cost(ask.composition) * len(ask.items) for ask in asks) * 1e-9

    def measure(self, asks: Sequence[Ask]) -> list[Row]:
        """Right or wrong by chance."""
        return [self._row(ask) for ask in asks]

    def _row(self, ask: Ask) -> Row:
        items = np.array(ask.items, dtype=np.intp)
        right = self._rng.random(len(items)) < self.accuracies[ask.composition]
        costs = np.full(len(items), self.costs[ask.composition])
        return Row(ask.composition, ask.replicate, items, right.astype(np.float64), costs)


def ours(seed: int) -> tuple[float, int]:
    """Processor seconds and proposals of our search, from 500 evaluated compositions on."""
    problem = Instant(seed)
    search = RacingSearch(pilot=EVALUATED, pilot_share=1.0, tolerance=0.0, patience=1.0).search(problem, seed)
    rows, proposals, spent = problem.measure(next(search)), 0, 0.0
    while proposals < PROPOSALS:
        begun = time.process_time()
        asks = search.send(rows)
        spent += time.process_time() - begun
        proposals += len(asks)
        rows = problem.measure(asks)
    return spent, proposals


def textbook(seed: int) -> tuple[float, int]:
    """The same of the loop that a textbook gives."""
    problem = Instant(seed)
    known = list(range(EVALUATED))
    values = [float(problem.measure([Ask(each, tuple(range(ITEMS)))])[0].values.mean()) for each in known]
    begun = time.process_time()
    for _ in range(TEXTBOOK_PROPOSALS):
        mean, deviation = predicted(problem.features, known, np.array(values))
        gains = expected_improvement(mean, deviation, max(values))
        gains[known] = 0.0
        known.append(int(gains.argmax()))
        values.append(float(problem.accuracies[known[-1]]))
    return time.process_time() - begun, TEXTBOOK_PROPOSALS


def predicted(x: Floats, known: list[int], values: Floats) -> tuple[Floats, Floats]:
    """Mean and deviation everywhere: the best of ten length scales by its likelihood, then a prediction of all.

    Rasmussen and Williams (2006), algorithm 2.1.
    """
    centred = values - values.mean()
    best = max(LENGTHS, key=lambda length: likelihood(matern(x[known], x[known], length), centred))
    covariance = matern(x[known], x[known], best) * values.var() + np.eye(len(known)) * values.var()
    cross = matern(x[known], x, best) * values.var()
    mean = values.mean() + cross.T @ np.linalg.solve(covariance, centred)
    variance = values.var() - (cross * np.linalg.solve(covariance, cross)).sum(axis=0)
    return mean, np.sqrt(np.maximum(variance, 0.0))


def likelihood(kernel: Floats, centred: Floats) -> float:
    """The log marginal likelihood of values with as much noise as signal, constants left out."""
    lower = np.linalg.cholesky((kernel + np.eye(len(kernel))) * centred.var())
    reduced = np.linalg.solve(lower, centred)
    return -0.5 * float(reduced @ reduced) - float(np.log(np.diag(lower)).sum())


def matern(a: Floats, b: Floats, length: float) -> Floats:
    """The Matern 5/2 kernel of variance 1."""
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T
    distance = np.sqrt(5 * np.maximum(squares, 0.0)) / length
    return np.asarray((1 + distance + distance**2 / 3) * np.exp(-distance), dtype=np.float64)


def main() -> int:
    """Measure in turn on one core, print, write the results; the exit status."""
    if os.environ.get("OPENBLAS_NUM_THREADS") != "1":  # is read once, where numpy is loaded
        os.execve(sys.executable, (sys.executable, *sys.argv), {**os.environ, "OPENBLAS_NUM_THREADS": "1"})
    rows: dict[str, list[float]] = {"racing search": [], "textbook loop": []}
    for repeat in range(REPEATS):
        for name, work in (("racing search", ours), ("textbook loop", textbook)):
            seconds, proposals = work(repeat)
            rows[name].append(1000 * seconds / proposals)
    medians = {name: round(statistics.median(each), 2) for name, each in rows.items()}
    print(f"{'processor ms a proposal':26}{'median':>9}{'least':>9}{'most':>9}")
    for name, each in rows.items():
        print(f"{name:26}{medians[name]:9.1f}{min(each):9.1f}{max(each):9.1f}")
    value = medians["racing search"]
    facts = {"compositions": COMPOSITIONS, "evaluated": EVALUATED, "items": ITEMS, "knobs": KNOBS, "repeats": REPEATS}
    software = {"python": platform.python_version(), "numpy": version("numpy")}
    each_ms = {name: [round(one, 2) for one in found] for name, found in rows.items()}
    goals = {"racing search, ms a proposal": {"value": value, "goal": GOAL_MS, "met": value <= GOAL_MS}}
    RESULTS.parent.mkdir(exist_ok=True)
    told = {"facts": facts | software, "ms_a_proposal": each_ms, "goals": goals}
    RESULTS.write_text(json.dumps(told, indent=1) + "\n")
    verdict = "PASS" if value <= GOAL_MS else "MISS"
    print(
        f"racing search {value} ms a proposal (<= {GOAL_MS:g}) {verdict}; textbook loop {medians['textbook loop']} ms"
    )
    return 0 if value <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
