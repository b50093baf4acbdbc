"""What the outcomes say: accuracy after so many passes, and against baselines of the same passes or tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ponder.orchestrator.intervals import Comparison, Interval, accuracy_interval, compare

from .arms import announced, first_announced, voted
from .outcomes import Cell, Outcome
from .tasks import TASKS, Task, wanted

PASSES = (10, 20, 30, 40, 60, 80, 100, 150)
MOST_CHAINS = 4


@dataclass(frozen=True, slots=True)
class Arm:
    """A way to an answer.

    Args:
        title: as it is shown.
        cell: whose outcomes it reads.
        copies: how many of the cell's independent texts vote; 0 for workers whose first answer counts.
    """

    title: str
    cell: Cell
    copies: int = 0

    def scores(self, outcomes: Sequence[Outcome], passes: int) -> list[float]:
        """Of each problem, the share of what was asked that was answered right in time."""
        return [self._score(outcome, passes) for outcome in outcomes]

    def tokens(self, outcomes: Sequence[Outcome], passes: int) -> float:
        """Tokens drawn a problem by then, ends of text included."""
        return sum(
            min(len(text) + 1, passes) for each in outcomes for copy in each.texts[: self.copies or 1] for text in copy
        ) / len(outcomes)

    def _score(self, outcome: Outcome, passes: int) -> float:
        answers = wanted(outcome.problem, self.cell.workers)
        if self.copies:
            texts = [copy[0] for copy in outcome.texts[: self.copies]]
            return float(voted(texts, passes) == answers[0])
        (texts,) = outcome.texts[:1]
        if self.cell.task.has_chain:
            return float(first_announced(texts, passes) == answers[0])
        asked = [(text, answer) for text, answer in zip(texts, answers, strict=True) if answer]
        right = [(found := announced(text, passes)) is not None and found[0] == answer for text, answer in asked]
        return sum(right) / len(right)


@dataclass(frozen=True, slots=True)
class Point:
    """One arm after so many passes."""

    arm: str
    task: str
    passes: int
    tokens: float
    accuracy: Interval


@dataclass(frozen=True, slots=True)
class Duel:
    """Workers that share a cache against a baseline of the same passes; with voting, of the same tokens too."""

    task: str
    passes: int
    workers: int
    baseline: str
    less: Comparison


def cells() -> list[Cell]:
    """Everything that is run."""
    found = []
    for task in TASKS:
        if task.has_chain:
            found.append(Cell(task, 1, "shared cache", MOST_CHAINS))
        found += [Cell(task, workers, layout) for workers in task.teams for layout in ("shared cache", "others hidden")]
    return found


def arms(task: Task) -> list[Arm]:
    """The ways to an answer of one task."""
    found = []
    if task.has_chain:
        alone = Cell(task, 1, "shared cache", MOST_CHAINS)
        found = [Arm("one chain", alone, 1), *(Arm(f"{n} independent, vote", alone, n) for n in task.teams)]
    for workers in task.teams:
        found.append(Arm(f"{workers} workers, shared cache", Cell(task, workers, "shared cache")))
        found.append(Arm(f"{workers} workers, others hidden", Cell(task, workers, "others hidden")))
    return found


def points(outcomes: dict[str, list[Outcome]]) -> list[Point]:
    """Every arm after every number of passes."""
    return [
        Point(arm.title, task.name, passes, arm.tokens(mine, passes), accuracy_interval(arm.scores(mine, passes)))
        for task in TASKS
        for arm in arms(task)
        for mine in (outcomes[arm.cell.name],)
        for passes in PASSES
    ]


def duels(outcomes: dict[str, list[Outcome]]) -> list[Duel]:
    """The shared cache against each baseline, problem by problem."""
    found = []
    for task in TASKS:
        by_title = {arm.title: arm for arm in arms(task)}
        for workers in task.teams:
            ours = by_title[f"{workers} workers, shared cache"]
            baselines = [f"{workers} workers, others hidden"]
            if task.has_chain:
                baselines = ["one chain", f"{workers} independent, vote", *baselines]
            for title in baselines:
                other = by_title[title]
                for passes in PASSES:
                    a = ours.scores(outcomes[ours.cell.name], passes)
                    b = other.scores(outcomes[other.cell.name], passes)
                    found.append(Duel(task.name, passes, workers, title, compare(a, b)))
    return found


def is_transmitted(found: Sequence[Point]) -> bool:
    """Whether relays show that workers answer from what only others wrote: far above those that cannot see it."""
    last = {point.arm: point.accuracy for point in found if point.task == "relay" and point.passes == PASSES[-1]}
    teams = [int(arm.split()[0]) for arm in last if arm.endswith("shared cache")]
    return all(
        last[f"{n} workers, shared cache"].low > 0.5 > 0.1 > last[f"{n} workers, others hidden"].high for n in teams
    )
