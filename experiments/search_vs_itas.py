"""Our search against Archon's on worlds whose truth is known: what it returns, and for how many model calls.

    python experiments/search_vs_itas.py

Five simulated worlds (seeds 101 to 105; whatever was tuned has seen seeds 1 to 8 alone) of the 3,648 compositions of
Archon's space, at most 20, 30 or 50 calls a query, 20 searches each on 100 development items, and some on 300. ITAS as
published runs to its own end, with and without our cache; so do tuned Bayesian optimisation, random search, greedy
search and successive halving. Ours gets a share of the calls that they made. A sixth world misleads, and in a seventh
every composition is as good. Writes tables, all numbers and (with matplotlib, the extra `plot`) a figure to
`experiments/results/search_vs_itas*`. The exit status tells whether every goal was met.

Takes about two hours of one core, eight minutes of sixteen; `--quick` a few seconds, for a look at its workings.
Stopped, it goes on where it was: what is done is kept under `runs/search_vs_itas`, which must go once a search changed.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from search_study import figure, report
from search_study.cells import Table
from search_study.coverage import covered
from search_study.gather import gathered, truth_errors
from search_study.goals import goals
from search_study.plan import FULL, OWN, QUICK

RESULTS = Path(__file__).parent / "results" / "search_vs_itas"
RUNS = Path("runs") / "search_vs_itas"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the searches that are missing, compare, and write what they say."""
    asked = _options().parse_args(arguments)
    study = QUICK if asked.quick else FULL
    errors = truth_errors(study, asked.scratch, asked.workers)
    records = gathered(study.baselines(), study, asked.scratch, asked.workers, _say)
    calls = {(runs.cell, runs.method): runs.calls for runs in Table(records) if runs.budget == OWN}
    records += gathered(study.ours(calls), study, asked.scratch, asked.workers, _say)
    table, coverage = Table(records), covered(study, asked.scratch)
    found = goals(table, study, coverage)
    asked.results.parent.mkdir(parents=True, exist_ok=True)
    page = report.written(table, found, study, 100 * sum(errors) / len(errors))
    asked.results.with_suffix(".md").write_text(page, encoding="utf-8")
    asked.results.with_suffix(".json").write_text(json.dumps(report.numbers(table, found, coverage)) + "\n")
    if find_spec("matplotlib"):
        figure.draw(table, study, asked.results.with_suffix(".png"))
    else:
        _say('no figure: matplotlib is not installed; pip install "ponder[plot]"')
    for goal in found:
        print(f"{'PASS' if goal.is_met else 'MISS'}  {goal.wanted}: {goal.found}")
    return 0 if all(goal.is_met for goal in found) else 1


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="searches at a time")
    parser.add_argument("--quick", action="store_true", help="a small version that decides nothing")
    parser.add_argument("--scratch", type=Path, default=RUNS, help="where finished searches are kept")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results go, without their suffix")
    return parser


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
