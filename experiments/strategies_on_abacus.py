"""What compute buys: every strategy at eight sizes on held-out abacus problems, against tokens and against FLOPs.

    python experiments/strategies_on_abacus.py

Shows accuracy by generated tokens and by FLOPs, judging included, on 240 problems of 1 to 8 steps with three seeds;
which strategies beat voting and Best-of-N of the same cost on easy, middle and hard problems, and which do not; and
three figures that were wanted of stepwise search, adaptive sampling and early pruning. Writes a report, figures (with
matplotlib, the extra `plot`) and all numbers to `experiments/results/strategies_on_abacus.*`.

Takes about twelve minutes on 16 cores with a large GPU, and some twelve hours on two cores without. Stopped, it goes
on where it was: what is measured is kept under `runs/strategies_on_abacus`. With ``--quick`` it goes through all of it
on a few problems in a minute, and writes beside what it measured instead.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from strategy_study import figures, report
from strategy_study.cells import Plan, facts, has_pools, measure
from strategy_study.comparisons import duels, points, rounded
from strategy_study.ladders import LADDERS, LEFT_OUT
from strategy_study.outcomes import Study, titles
from strategy_study.wanted import adaptive_self_evaluation, early_pruning, stepwise_against_weighted

ROOT = Path(__file__).resolve().parents[1]
RUNS = Path("runs") / "strategies_on_abacus"
MOST_WORKERS = 14


def main() -> None:
    """Measure what is missing, then write what it says."""
    options = _options()
    plan, results = planned(options)
    measure(plan)
    if options.measure_only:
        return
    if not has_pools(plan):
        raise SystemExit("the pools that all is compared with are not measured yet; run again")
    write(Study(plan), results)


def planned(options: argparse.Namespace) -> tuple[Plan, Path]:
    """What is measured, and where the results go."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    until = time.time() + 60 * options.minutes
    workers = options.workers or min(MOST_WORKERS, os.cpu_count() or 1)
    if options.quick:
        folder = options.runs / "quick"
        return Plan(8, (1,), (0, 1), 8, device, 1, str(folder), until, tuple(options.only)), folder
    runs, rungs, seeds = str(options.runs), tuple(range(8)), (1, 2, 3)
    full = Plan(240, seeds, rungs, 128, device, workers, runs, until, tuple(options.only))
    return full, ROOT / "experiments" / "results"


def write(study: Study, folder: Path) -> None:
    """Numbers, report and figures."""
    found, against = points(study), duels(study)
    wanted = {
        "stepwise": stepwise_against_weighted(study),
        "adaptive": adaptive_self_evaluation(study),
        "pruning": early_pruning(study),
    }
    stem = folder / "strategies_on_abacus"
    numbers: dict[str, Any] = {
        "facts": {
            "problems": study.plan.problems,
            "seeds": study.plan.seeds,
            "pool": study.plan.pool,
            "run": facts(study.plan),
        },
        "strategies": {name: _described(name, title) for name, title in titles().items()},
        "not applicable": LEFT_OUT,
        "wanted": wanted,
        "points": [point.as_dict() for point in found],
        "duels": [duel.as_dict() for duel in against],
    }
    stem.with_suffix(".json").write_text(_json(rounded(numbers)))
    stem.with_suffix(".md").write_text(report.written(study, found, against, wanted, facts(study.plan)))
    if find_spec("matplotlib"):
        figures.draw(found, stem)
    else:
        print('no figures: they need matplotlib; run: pip install "ponder[plot]"')
    print(f"written: {stem.with_suffix('.md')}")


def _described(name: str, title: str) -> dict[str, Any]:
    if name not in LADDERS:
        return {"title": title, "size": "draws"}
    ladder = LADDERS[name]
    knobs = ladder.build(ladder.sizes[-1]).model_dump(mode="json")
    return {"title": title, "size": ladder.knob, "sizes": ladder.sizes, "knobs at the largest": knobs}


def _json(numbers: dict[str, Any]) -> str:
    """One line a point or duel."""
    lists = {key: numbers.pop(key) for key in ("points", "duels")}
    head = json.dumps(numbers, indent=1).removesuffix("\n}")
    tails = (f' "{key}": [\n' + ",\n".join(map(json.dumps, rows)) + "\n ]" for key, rows in lists.items())
    return ",\n".join([head, *tails]) + "\n}\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="go through all of it on few problems")
    parser.add_argument("--measure-only", action="store_true", help="write no results; run again for them")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin nothing after so many")
    parser.add_argument("--workers", type=int, default=0, help="worker processes; by default one a core")
    parser.add_argument("--only", nargs="+", choices=LADDERS, default=list(LADDERS), help="measure these strategies")
    parser.add_argument("--runs", type=Path, default=RUNS, help="where what is measured is kept")
    return parser.parse_args()


if __name__ == "__main__":
    main()
