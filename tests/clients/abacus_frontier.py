"""A frontier of the abacus models, from what was measured of them: what `experiments/results/` holds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ponder.orchestrator.frontier import Frontier, FrontierPoint
from ponder.strategies import BestOfN, Sample, Strategy
from ponder.verifiers import ProcessReward
from ponder.verifiers.answers import AbacusAnswer

RESULTS = Path(__file__).parents[2] / "experiments" / "results"
LIMIT = 110
"""Tokens of an answer, as in the study."""


def weighted(n: int) -> BestOfN:
    """A vote among some draws, each counting as the reward model likes it."""
    return BestOfN(n=n, weighted=True, max_tokens=LIMIT, verifier=ProcessReward(), answer=AbacusAnswer())


def measured_frontier(name: str) -> Frontier:
    """Single draws and weighted votes of 4 and 16, by generated tokens, as measured by ``strategies_on_abacus``."""
    engines = Frontier.load(RESULTS / "search_abacus.frontier.toml").engines
    study = json.loads((RESULTS / "strategies_on_abacus.json").read_text())
    points = (
        _point(study, "sample", 1, Sample(max_tokens=LIMIT)),
        _point(study, "weighted_best_of_n", 4, weighted(4)),
        _point(study, "weighted_best_of_n", 16, weighted(16)),
    )
    return Frontier(name=name, by="completion_tokens", engines=engines, points=points)


def _point(study: Any, kind: str, size: int, strategy: Strategy) -> FrontierPoint:
    found = {"strategy": kind, "size": size, "bin": "all"}
    (row,) = (each for each in study["points"] if found.items() <= each.items())
    accuracy, cost = row["accuracy"], row["costs"]
    return FrontierPoint(
        name=f"{study['strategies'][kind]['title']}, {size}",
        strategy=strategy,  # type: ignore[arg-type]
        level=cost["completion_tokens"],
        cost=cost,
        accuracy=accuracy["mean"],
        low=accuracy["low"],
        high=accuracy["high"],
        items=study["facts"]["problems"],
    )
