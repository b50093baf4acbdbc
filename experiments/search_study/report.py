"""The study as a page and as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ponder.orchestrator.intervals import Interval

from .cells import Runs, Table
from .goals import Goal, saving
from .plan import ADVERSARIAL, ARCHON, ITAS, OURS, OWN, TIED, TUNED_BO, Cell, Plan

BAD_REGRET = 4.0  # points: a search that failed


def written(table: Table, found: Sequence[Goal], study: Plan, truth_error: float) -> str:
    """The page."""
    usual, more = table.cells(ARCHON, study.items), table.cells(ARCHON, study.more_items)
    parts = [
        "# The search against Archon's",
        f"{len(study.worlds)} simulated worlds (seeds {', '.join(map(str, study.worlds))}; tuning has seen 1 to 8 "
        f"alone), {study.seeds} searches a cell. The truth is each composition's mean over 1,000 items and "
        f"{study.replicates} replicates (standard error {truth_error:.2f} points). Regret: the best true accuracy at "
        "the level less that of the composition returned, in points of accuracy; [95 % interval over searches].",
        "## Goals",
        _rows(("goal", "found", ""), [(goal.wanted, goal.found, _verdict(goal)) for goal in found]),
        f"## Regret, {study.items} development items",
        *_by_level(table, usual),
        "## Calls for ITAS's mean regret, and half of tuned BO's calls",
        _rows(
            ("calls a query", "world", "times fewer than ITAS", "less ITAS, at a fifth", "less tuned BO, at a half"),
            [_savings(table, cell) for cell in usual],
        ),
    ]
    if more:
        parts += [f"## Regret, {study.more_items} development items", *_by_level(table, more)]
    parts += ["## Where the best stands alone", *_by_level(table, table.cells(ADVERSARIAL, study.items))]
    parts += ["## Where all are as good", _tied(table, table.cells(TIED, study.items))]
    parts += ["## All cells together", _together(table, usual)]
    return "\n\n".join(parts) + "\n"


def numbers(table: Table, found: Sequence[Goal], coverage: Interval) -> dict[str, Any]:
    """Everything the page and the figure are made of."""
    kept = ("regret", "optimism", "error", "covers", "calls", "allowed", "query_calls", "tied_calls", "seconds")
    return {
        "goals": [{"wanted": goal.wanted, "found": goal.found, "is_met": bool(goal.is_met)} for goal in found],
        "coverage": [coverage.mean, coverage.low, coverage.high],
        "runs": [
            {name: getattr(runs.cell, name) for name in ("kind", "world", "level", "items")}
            | {"method": runs.method, "budget": runs.budget}
            | {name: [record[name] for record in runs.records] for name in kept}
            for runs in table
        ],
    }


def _verdict(goal: Goal) -> str:
    return "PASS" if goal.is_met else "MISS"


def _by_level(table: Table, cells: Sequence[Cell]) -> list[str]:
    """A table a level: searches down, worlds across."""
    tables = []
    for level in sorted({cell.level for cell in cells}):
        here = [cell for cell in cells if cell.level == level]
        rows = []
        for method, budget in table.methods(here[0]):
            runs = [table.at(cell, method, budget) for cell in here]
            calls = np.median([each.calls for each in runs])
            rows.append((_name(method, budget), f"{calls:,.0f}", *(_interval(each.regret) for each in runs)))
        tables.append(f"At most {level} calls a query:")
        tables.append(_rows(("search", "median calls", *(f"world {cell.world}" for cell in here)), rows))
    return tables


def _savings(table: Table, cell: Cell) -> tuple[str, ...]:
    itas, bo = table.at(cell, ITAS, OWN), table.at(cell, TUNED_BO, OWN)
    fifth, half = table.at(cell, OURS, "ITAS / 5").less(itas), table.at(cell, OURS, "tuned BO / 2").less(bo)
    times = f"{saving(table, cell):.1f}"
    return str(cell.level), str(cell.world), times, _interval(fifth.interval), _interval(half.interval)


def _tied(table: Table, cells: Sequence[Cell]) -> str:
    rows = []
    for cell in cells:
        for method, budget in table.methods(cell):
            runs = table.at(cell, method, budget)
            query = np.median([record["query_calls"] for record in runs.records])
            share = np.median([record["calls"] / record["allowed"] for record in runs.records])
            spent = "" if budget == OWN else f"{share:.0%}"
            rows.append((str(cell.level), _name(method, budget), f"{runs.calls:,.0f}", spent, f"{query:.0f}"))
    return _rows(("calls a query", "search", "median calls", "of its budget", "median calls a query returned"), rows)


def _together(table: Table, cells: Sequence[Cell]) -> str:
    rows = []
    for method, budget in table.methods(cells[0]):
        runs = [table.at(cell, method, budget) for cell in cells]
        rows.append((_name(method, budget), *_summary(runs)))
    head = (
        "search",
        "mean regret",
        "worst cell",
        f"searches over {BAD_REGRET:g} points",
        "its own estimate less truth",
    )
    return _rows((*head, "on confirmation items less truth", "intervals that hold the truth", "seconds a search"), rows)


def _summary(runs: Sequence[Runs]) -> tuple[str, ...]:
    records = [record for each in runs for record in each.records]
    mean = {name: np.mean([record[name] for record in records]) for name in ("regret", "optimism", "error", "covers")}
    return (
        f"{mean['regret']:.2f}",
        f"{max(each.regret.mean for each in runs):.2f}",
        f"{np.mean([record['regret'] > BAD_REGRET for record in records]):.1%}",
        f"{mean['optimism']:+.2f}",
        f"{mean['error']:+.2f}",
        f"{mean['covers']:.1%}",
        f"{np.median([record['seconds'] for record in records]):.1f}",
    )


def _name(method: str, budget: str) -> str:
    return method if budget == OWN else f"{method}, {budget}"


def _interval(found: Interval) -> str:
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
