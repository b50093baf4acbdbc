"""What the study must show, and whether it does."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from ponder.orchestrator.intervals import Interval, bootstrap

from .cells import Runs, Table
from .plan import ADVERSARIAL, ARCHON, BUDGETS, ITAS, OURS, OWN, RANDOM_CACHED, TIED, TUNED_BO, Cell, Plan

JUDGED = ("ITAS / 10", "ITAS / 5", "tuned BO / 2")
WORST_REGRET, OPTIMISM, SHARE_CHEAPEST, SHARE_SPENT = 2.5, 0.5, 0.9, 0.5


@dataclass(frozen=True, slots=True)
class Goal:
    """One thing to show.

    Args:
        wanted: what must hold.
        found: what came.
        is_met: whether it does.
    """

    wanted: str
    found: str
    is_met: bool


def goals(table: Table, study: Plan, coverage: Interval) -> list[Goal]:
    """All goals, judged on the cells with the usual number of development items."""
    cells = table.cells(ARCHON, study.items)
    return [
        *_against_itas(table, cells),
        _against_tuned_bo(table, cells),
        _worst_cell(table, cells),
        _optimism(table, cells),
        Goal(
            "paired 95 % intervals hold the truth in 93 to 97 % of simulated pairs",
            f"{coverage.mean:.1%} [{coverage.low:.1%}, {coverage.high:.1%}] of {study.pairs}",
            0.93 <= coverage.mean <= 0.97,
        ),
        _adversarial(table, study),
        *_tied(table, study),
        _limits(table),
    ]


def saving(table: Table, cell: Cell) -> float:
    """How many times fewer calls than ITAS reach ITAS's mean regret in a cell: the most of all budgets, 0 if none."""
    itas = table.at(cell, ITAS, OWN)
    ours = [table.at(cell, OURS, budget) for budget in BUDGETS]
    return max((itas.calls / runs.calls for runs in ours if runs.regret.mean <= itas.regret.mean), default=0.0)


def _against_itas(table: Table, cells: list[Cell]) -> list[Goal]:
    savings = [saving(table, cell) for cell in cells]
    least, median = min(savings), float(np.median(savings))
    return [
        Goal("ITAS's mean regret or better for 5 times fewer calls in every cell", f"least {least:.1f}", least >= 5),
        Goal("... and for 10 times fewer in the median cell", f"median {median:.1f}", median >= 10),
    ]


def _against_tuned_bo(table: Table, cells: list[Cell]) -> Goal:
    gaps = [table.at(cell, OURS, "tuned BO / 2").less(table.at(cell, TUNED_BO, OWN)) for cell in cells]
    worse = sum(gap.interval.low > 0 and not gap.is_tied for gap in gaps)
    better = sum(gap.interval.high < 0 and not gap.is_tied for gap in gaps)
    mean = float(np.mean([gap.interval.mean for gap in gaps]))
    return Goal(
        "half of tuned BO's calls, and significantly worse (paired by seed, 95 % each) in no cell",
        f"{worse} of {len(cells)} worse, {better} better; mean difference {mean:+.2f} points",
        worse == 0,
    )


def _worst_cell(table: Table, cells: list[Cell]) -> Goal:
    worst = max((table.at(cell, OURS, budget).regret.mean, budget) for budget in JUDGED for cell in cells)
    return Goal(
        f"mean regret of at most {WORST_REGRET} points in the worst cell, at each of {', '.join(JUDGED)}",
        f"{worst[0]:.2f} points, at {worst[1]}",
        worst[0] <= WORST_REGRET,
    )


def _optimism(table: Table, cells: list[Cell]) -> Goal:
    """One seed in one world confirms on the same items at every level and budget: these are one outcome."""
    errors: dict[tuple[int, int], list[float]] = defaultdict(list)
    for cell in cells:
        for budget in JUDGED:
            for record in table.at(cell, OURS, budget).records:
                errors[cell.world, record["seed"]].append(record["error"])
    error = bootstrap(list(errors.values()))
    itas = np.mean([record["optimism"] for cell in cells for record in table.at(cell, ITAS, OWN).records])
    return Goal(
        f"the accuracy reported of the winner is within {OPTIMISM} points of its truth on average",
        f"{error.mean:+.2f} points [{error.low:+.2f}, {error.high:+.2f}] on confirmation items; "
        f"ITAS's best development score {itas:+.2f}",
        bool(abs(error.mean) <= OPTIMISM),
    )


def _adversarial(table: Table, study: Plan) -> Goal:
    gaps = [
        (table.at(cell, OURS, budget).less(table.at(cell, RANDOM_CACHED, budget)), cell.level, budget)
        for cell in table.cells(ADVERSARIAL, study.items)
        for budget in JUDGED
    ]
    worse = [f"{level} calls at {budget}" for gap, level, budget in gaps if gap.interval.low > 0 and not gap.is_tied]
    return Goal(
        "where the best stands alone among bad ones, not significantly worse than random search at equal calls",
        f"worse at: {'; '.join(worse)}" if worse else f"in none of {len(gaps)} comparisons",
        not worse,
    )


def _tied(table: Table, study: Plan) -> list[Goal]:
    runs = [table.at(cell, OURS, budget) for cell in table.cells(TIED, study.items) for budget in JUDGED]
    records = [record for each in runs for record in each.records]
    cheapest = float(np.mean([record["query_calls"] == 2 for record in records]))
    named = float(np.mean([record["tied_calls"] == 2 for record in records]))
    spent = float(np.median([record["calls"] / record["allowed"] for record in records]))
    return [
        Goal(
            f"where all are as good, the cheapest is returned in {SHARE_CHEAPEST:.0%} of searches or more",
            f"{cheapest:.0%}; returned or named as tied {named:.0%}",
            cheapest >= SHARE_CHEAPEST,
        ),
        Goal(
            f"... having spent at most {SHARE_SPENT:.0%} of the budget, in the median search",
            f"{spent:.0%}",
            spent <= SHARE_SPENT,
        ),
    ]


def _limits(table: Table) -> Goal:
    passed = sum(_violations(runs) for runs in table)
    return Goal("no search passes its budget or returns a composition above the level", f"{passed} do", passed == 0)


def _violations(runs: Runs) -> int:
    limit = runs.cell.level
    return sum(record["calls"] > record["allowed"] or record["query_calls"] > limit for record in runs.records)
