"""What the workers are asked: problems that divide, problems that do not, and what only another was told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from ponder.orchestrator.data.abacus_workers import Relay, Shared, relay, shared
from ponder.orchestrator.types import Query

CHAINS = 4
MOST_STEPS = 3  # of one of several chains
LONGEST = 6  # steps of a chain that stands alone
RELAYED = 2  # steps of a chain that one worker tells another
Problem = Shared | Relay


@dataclass(frozen=True, slots=True)
class Task:
    """A kind of problem.

    Args:
        name: short.
        says: what it is, in a sentence.
        make: a fresh problem for so many workers.
        teams: the numbers of workers it is given to.
        has_chain: whether one worker alone can do it.
    """

    name: str
    says: str
    make: Callable[[Random, int], Problem]
    teams: tuple[int, ...]
    has_chain: bool = True

    def problems(self, count: int, workers: int, seed: int) -> list[Problem]:
        """So many held-out problems; the same for every number of workers where that does not matter."""
        random = Random(f"{self.name} {workers if not self.has_chain else ''} {seed}")
        return [self.make(random, workers) for _ in range(count)]


TASKS = (
    Task(
        "divides",
        f"{CHAINS} independent chains of 1 to {MOST_STEPS} steps in one prompt; the answer is all results in order.",
        lambda random, _: shared(random, [random.randint(1, MOST_STEPS) for _ in range(CHAINS)], "test"),
        (2, 4),
    ),
    Task(
        "does not divide",
        f"one chain of 1 to {LONGEST} steps: worker 1 does it, the others can only wait and copy the result.",
        lambda random, _: shared(random, [random.randint(1, LONGEST)], "test"),
        (2, 4),
    ),
    Task(
        "relay",
        f"a chain of 0 to {RELAYED} steps in the private text of one worker, its result asked of another.",
        lambda random, workers: relay(random, workers, RELAYED, "test"),
        (2, 3),
        has_chain=False,
    ),
)


def query_of(problem: Problem, name: str) -> Query:
    """The problem as it is asked of a model."""
    return Query.ask(problem.prompt, id=name)


def wanted(problem: Problem, workers: int) -> Sequence[str]:
    """What each worker must answer; "" for one that is asked nothing."""
    return [problem.answer(worker, workers) for worker in range(1, workers + 1)]
