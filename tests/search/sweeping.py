"""A small sweep on the simulated engine, run in this process."""

import asyncio
from pathlib import Path
from typing import Any

from ponder.search.findings import report
from ponder.search.report import html
from ponder.search.sweep import Evidence, Progress, Sweep, run_sweep

TABLE: dict[str, Any] = {
    "name": "small",
    "data": {"kind": "simulated", "size": 6},
    "engines": {
        "generator": {"kind": "simulated"},
        "reward": {"kind": "simulated", "reward_noise": 1.0},
    },
    "checker": {"kind": "exact_match"},
    "grids": [
        {"strategy": {"kind": "sample", "max_tokens": 48}, "over": {"temperature": [0.7, 1.0]}},
        {
            "strategy": {"kind": "self_consistency", "max_tokens": 48},
            "over": {"temperature": [0.7, 1.0], "n": [2, 4]},
        },
        {
            "strategy": {"kind": "best_of_n", "max_tokens": 48, "verifier": {"kind": "process_reward"}},
            "over": {"weighted": [False, True], "temperature": [0.7, 1.0], "n": [2, 4]},
        },
    ],
    "budget": {"total_tokens": 1_000_000},
    "where": "local",
}


def sweep_of(**changes: Any) -> Sweep:
    return Sweep.model_validate({**TABLE, **changes})


def swept(sweep: Sweep, journal: Path) -> tuple[Evidence, Progress]:
    return asyncio.run(run_sweep(sweep, journal))


def page(evidence: Evidence) -> str:
    return html(report(evidence))
