"""A search over more than 500 compositions of the embedded models, on real vLLM under Ray.

Shows what a search finds that a budget for a tenth of its compositions cannot measure one by one: votes, Best-of-N,
weighted votes, strategies that stop early, and stepwise searches of the abacus models on chain arithmetic, at several
temperatures, sizes and ways to add up the reward model's steps. At each of several costs of a query the composition
chosen is held against the best of a single draw, a vote and Best-of-N of no greater cost, on problems that no search
saw, with the paired interval; where none is better, that is what it says.

Goals: at least 500 compositions; the budget is at most a tenth of what measuring all of them on the same problems would
cost fresh; at most 20 minutes on two cores. The last line sums up; the exit status is 1 where a goal is missed. Writes
``experiments/results/search_abacus.json``, ``.md``, ``.csv`` and ``.frontier.toml``. Run again, it goes on where it
stopped; ``rm -r runs/search_abacus*`` starts afresh.

    python experiments/search_abacus.py
"""

from __future__ import annotations

import asyncio
import io
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from ponder.orchestrator.budget import COUNTED
from ponder.search.progress import show_progress
from ponder.search.record import Record
from ponder.search.reports.measured import Measured
from ponder.search.reports.outputs import Outputs, write_outputs
from ponder.search.reports.report import Report, terminal
from ponder.search.run_sweep import run_sweep
from ponder.search.spaces.space import Space
from ponder.search.sweep import Sweep

RESULTS = Path(__file__).parent / "results"
JOURNAL = Path("runs") / "search_abacus.db"
LEAST_COMPOSITIONS, MOST_SHARE, MOST_MINUTES = 500, 0.1, 20.0
TOKENS = 2_200_000

ANSWER = {"kind": "abacus"}
TEMPERATURE = {"kind": "choice", "values": [0.6, 0.8, 1.0], "name": "temperature"}
DRAWING = {"max_tokens": 128, "temperature": TEMPERATURE}
DRAWS = {"kind": "integers", "low": 1, "high": 32, "log": True, "name": "n"}
PATHS = {"kind": "integers", "low": 4, "high": 16, "log": True, "name": "paths"}
REWARD = {
    "kind": "process_reward",
    "aggregate": {"kind": "choice", "values": ["last", "min", "mean", "product"], "name": "aggregate"},
}
STEPS = {
    **DRAWING,
    "n": PATHS,
    "verifier": REWARD,
    "answer": ANSWER,
    "step_tokens": 24,
    "max_steps": 10,
    "choose": {"kind": "choice", "values": ["score", "weighted_vote"], "name": "choose"},
}
OPTIONS: tuple[dict[str, Any], ...] = (
    {"kind": "self_consistency", **DRAWING, "n": DRAWS, "answer": ANSWER},
    {
        "kind": "best_of_n",
        **DRAWING,
        "n": DRAWS,
        "verifier": REWARD,
        "answer": ANSWER,
        "weighted": {"kind": "choice", "values": [False, True], "name": "weighted"},
    },
    {
        "kind": "adaptive_consistency",
        **DRAWING,
        "n": {"kind": "choice", "values": [8, 16, 32], "name": "most"},
        "threshold": {"kind": "choice", "values": [0.8, 0.95], "name": "sure"},
        "answer": ANSWER,
    },
    {
        "kind": "esc",
        **DRAWING,
        "n": {"kind": "choice", "values": [8, 16, 32], "name": "most"},
        "window": {"kind": "choice", "values": [2, 4], "name": "window"},
        "answer": ANSWER,
    },
    {
        "kind": "first_accepted",
        **DRAWING,
        "n": {"kind": "choice", "values": [4, 8, 16], "name": "attempts"},
        "threshold": {"kind": "choice", "values": [0.5, 0.7, 0.9], "name": "accepts"},
        "verifier": REWARD,
    },
    {"kind": "beam_search", **STEPS, "beam_width": {"kind": "choice", "values": [2, 4], "name": "beam_width"}},
    {"kind": "rebase", **STEPS},
    {"kind": "particle_filter", **STEPS},
)
SWEEP = Sweep.model_validate(
    {
        "name": "search_abacus",
        "data": {"kind": "abacus", "size": 300, "steps": [1, 2, 3, 4, 5, 6]},
        "engines": {
            "generator": {"kind": "vllm", "model": "abacus-generator", "max_in_flight": 128, "core": 0},
            "reward": {
                "kind": "vllm",
                "model": "abacus-prm",
                "runner": "pooling",
                "max_in_flight": 128,
                "core": 1,
            },
        },
        "checker": {"kind": "abacus"},
        "space": Space(options=OPTIONS),
        "budget": {"total_tokens": TOKENS},
        "levels": [100, 250, 600, 1500, 4000],
    }
)


def main() -> int:
    """Search, report, write the results; the exit status."""
    RESULTS.mkdir(exist_ok=True)
    started = time.monotonic()
    with show_progress(Console(stderr=True)) as observe:
        record, progress = asyncio.run(run_sweep(SWEEP, JOURNAL, observe))
    minutes = (time.monotonic() - started) / 60
    outputs = write_outputs(record, JOURNAL)
    is_whole = progress.replayed == 0
    facts = study(record, outputs, minutes if is_whole else None)
    terminal(outputs.report, Console(width=140))
    write(outputs, facts)
    print(
        "; ".join(f"{name} {goal['value']} ({goal['goal']}) {goal['verdict']}" for name, goal in facts["goals"].items())
    )
    return 0 if all(goal["verdict"] != "MISS" for goal in facts["goals"].values()) else 1


def study(record: Record, outputs: Outputs, minutes: float | None) -> dict[str, Any]:
    """The figures of the study."""
    assert record.facts is not None
    whole, count = fresh_tokens(record), record.facts.compositions
    share = TOKENS / whole
    goals = {
        "compositions": goal(count, f">= {LEAST_COMPOSITIONS}", count >= LEAST_COMPOSITIONS),
        "share of a fresh measurement": goal(round(share, 4), f"<= {MOST_SHARE}", share <= MOST_SHARE),
        "minutes": goal(
            minutes and round(minutes, 1), f"<= {MOST_MINUTES:g}", minutes is None or minutes <= MOST_MINUTES
        ),
    }
    return {
        "compositions": count,
        "measured": len(record.members),
        "spent_tokens": record.paid.total_tokens,
        "fresh_tokens_of_all": round(whole),
        "levels": levels(outputs.report),
        "goals": goals,
    }


def fresh_tokens(record: Record) -> float:
    """What measuring every composition once on every development problem would cost fresh, in tokens.

    Those that were not measured are taken to cost what the measured ones do on average, which flatters nothing: the
    search prefers the cheap.
    """
    assert record.facts is not None
    measured = Measured.of(record)
    column = COUNTED.index("total_tokens")
    mean = float(np.mean([seen.cost[column] for seen in measured.development.values()]))
    return mean * record.facts.compositions * len(record.parts.development)


def levels(report: Report) -> list[dict[str, Any]]:
    """What was chosen at each level, and how it stands against the best baseline there."""
    found = []
    for level in report.levels:
        point = report.point(level.chosen)
        row: dict[str, Any] = {"limit": level.limit, "chosen": level.chosen, "cost": round(point.cost_in(report.by), 1)}
        if point.confirmed is not None:
            row["confirmed"] = [
                round(x, 4) for x in (point.confirmed.accuracy, point.confirmed.low, point.confirmed.high)
            ]
        if level.contest is not None:
            gap = level.contest.difference
            row |= {"baseline": level.contest.baseline, "standing": level.contest.standing}
            row["difference"] = [round(x, 4) for x in (gap.mean, gap.low, gap.high)]
        found.append(row)
    return found


def goal(value: float | None, wanted: str, is_met: bool) -> dict[str, Any]:
    """A goal, what came of it, and whether it is met; a figure that a resumed run cannot know is not judged."""
    verdict = "NOT MEASURED" if value is None else "PASS" if is_met else "MISS"
    return {"value": value, "goal": wanted, "verdict": verdict}


def write(outputs: Outputs, facts: dict[str, Any]) -> None:
    """The results, beside those of other studies."""
    text = io.StringIO()
    terminal(outputs.report, Console(file=text, width=140))
    (RESULTS / "search_abacus.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "search_abacus.md").write_text(
        f"# A search over the abacus models\n\n```\n{text.getvalue()}```\n", encoding="utf-8"
    )
    shutil.copy(outputs.csv, RESULTS / "search_abacus.csv")
    shutil.copy(outputs.toml, RESULTS / "search_abacus.frontier.toml")


if __name__ == "__main__":
    sys.exit(main())
