"""The three figures that were wanted, each with what was found."""

from __future__ import annotations

from typing import Any

import numpy as np

from ponder.orchestrator.intervals import RESAMPLES, SEED, Interval, compare

from .comparisons import rounded
from .ladders import LADDERS
from .outcomes import Floats, Study

SHARE, SAMPLES, GAIN, LOSS = 0.25, 2.0, 0.74, 0.01
Rows = list[dict[str, Any]]


def stepwise_against_weighted(study: Study) -> dict[str, Any]:
    """Stepwise search with the reward model at a quarter of the tokens of weighted Best-of-64, middle problems."""
    size = min(64, study.plan.pool)
    chosen = study.within("middle")
    target = study.pooled("weighted_best_of_n", size)
    budget = float(target.costs["completion_tokens"][chosen].mean())
    found: Rows = []
    for name, rung, outcome in study.runs:
        if name not in LADDERS or LADDERS[name].family != "stepwise":
            continue
        share = float(outcome.costs["completion_tokens"][chosen].mean()) / budget
        flops = float(outcome.costs["flops"][chosen].mean() / target.costs["flops"][chosen].mean())
        gap = compare(outcome.correct[chosen], target.correct[chosen])
        if share <= SHARE:
            row = {"strategy": name, "size": rung, "share of tokens": share, "share of FLOPs": flops}
            accuracy = float(outcome.correct[chosen].mean())
            found.append(row | {"accuracy": accuracy, "difference": gap.interval, "is_tied": gap.is_tied})
    reached = [row for row in found if row["difference"].mean >= 0]
    quarter = max(1, int(size * SHARE))
    return rounded(
        {
            "draws": size,
            "accuracy": float(target.correct[chosen].mean()),
            "tokens": budget,
            "quarter": quarter,
            "accuracy at a quarter": float(study.pooled("weighted_best_of_n", quarter).correct[chosen].mean()),
            "within a quarter": [row | {"difference": _listed(row["difference"])} for row in found],
            "reached": bool(reached),
            "by": sorted({row["strategy"] for row in reached}),
        }
    )


def adaptive_self_evaluation(study: Study) -> dict[str, Any]:
    """How much of the gain of self-evaluated Best-of-16 remains when drawing ends at the first good attempt.

    A judge that errs makes the best of many worse than the best of few, so the gain at the best N is told too.
    """
    single = study.pooled("sample", 1).correct
    by_size = {n: study.pooled("self_best_of_n", n).correct for n in study.grid if 1 < n <= 16}
    peak, most = max(by_size, key=lambda n: float(by_size[n].mean())), by_size[max(by_size)]
    found: Rows = [
        {
            "threshold": threshold,
            "samples": float(outcome.costs["calls"].mean()),
            "accuracy": float(outcome.correct.mean()),
            "share of the gain": _listed(_kept_gain(outcome.correct, single, most)),
            "share of the peak gain": _listed(_kept_gain(outcome.correct, single, by_size[peak])),
        }
        for name, threshold, outcome in study.runs
        if name == "adaptive_sampling"
    ]
    within = [row for row in found if row["samples"] <= SAMPLES]
    best = max(within, key=lambda row: row["samples"], default=None)
    return rounded(
        {
            "one sample": float(single.mean()),
            "best of 16": float(most.mean()),
            "peak": peak,
            "best at the peak": float(by_size[peak].mean()),
            "thresholds": found,
            "largest within two samples": best,
            "reached": bool(best and most.mean() > single.mean() and best["share of the gain"][0] >= GAIN),
        }
    )


def early_pruning(study: Study) -> dict[str, Any]:
    """What pruning streams early costs against Best-of-N with the same judge and N."""
    found: Rows = []
    for name, n, outcome in study.runs:
        if name not in ("early_pruning", "early_pruning_reward") or n < 2 or n not in study.grid:
            continue
        whole = study.pooled("self_best_of_n" if name == "early_pruning" else "best_of_n", int(n))
        gap = compare(outcome.correct, whole.correct)
        tokens = outcome.costs["completion_tokens"].mean() / whole.costs["completion_tokens"].mean()
        found.append(
            {
                "strategy": name,
                "n": n,
                "pruned": float(1 - outcome.costs["candidates"].mean() / n),
                "share of tokens": float(tokens),
                "accuracy": float(outcome.correct.mean()),
                "unpruned": float(whole.correct.mean()),
                "difference": _listed(gap.interval),
            }
        )
    half = [row for row in found if row["pruned"] >= 0.5]
    reached = [row for row in half if row["difference"][0] > -LOSS]
    return rounded(
        {"rows": found, "reached": bool(half) and len(reached) == len(half), "of": [len(reached), len(half)]}
    )


def _kept_gain(mine: Floats, single: Floats, most: Floats) -> Interval:
    """The share of the gain, with the percentile interval over resampled problems."""
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(0, len(mine), (RESAMPLES, len(mine)))
    gains = (most - single)[drawn].mean(axis=1)
    shares = (mine - single)[drawn].mean(axis=1) / np.where(np.abs(gains) < 1e-9, np.nan, gains)
    low, high = np.nanquantile(shares, (0.025, 0.975))
    return Interval(float((mine - single).mean() / (most - single).mean()), float(low), float(high))


def _listed(interval: Interval) -> list[float]:
    return [interval.mean, interval.low, interval.high]
