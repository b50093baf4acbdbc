"""From a sweep's evidence to its report, and to pipelines that can be served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..orchestrator.budget import COUNTED, amounts
from ..orchestrator.pipeline import Pipeline
from ..orchestrator.pipeline_file import save
from ..orchestrator.strategy import Strategy
from ..orchestrator.types import Usage
from ..strategies import BestOfN, Sample, SelfConsistency
from .arms import Arm
from .frontier import frontier, with_ties
from .measure import Measured, measure, paired
from .pool import Pool
from .report import Report
from .sweep import Evidence


def report(evidence: Evidence) -> Report:
    """The report of what a sweep has found so far; the same evidence gives the same bytes."""
    measured, unreached = _measured(evidence)
    points = with_ties([one.point for one in measured], paired(measured)) if measured else ()
    sweep = evidence.sweep
    return Report(
        title=sweep.name,
        data=f"{len(evidence.queries)} queries: {_words(sweep.data.model_dump(mode='json'))}",
        items=len(evidence.queries),
        seed=sweep.seed,
        spent=_spent(evidence),
        points=points,
        frontier=tuple(point.name for point in frontier(points)),
        baselines=tuple(point.name for point in points if point.method == "single" and point.n == 1),
        incomplete=unreached,
        notes=_notes(evidence),
    )


def save_frontier(evidence: Evidence, made: Report, folder: Path) -> list[Path]:
    """Write each composition of the frontier as a pipeline that can be served; the most accurate comes last."""
    named = {_name(composition): composition for arm in evidence.arms for composition in arm.compositions}
    chosen = [point.name for point in made.best]
    if not chosen:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.toml"):
        old.unlink()
    saved = []
    for rank, name in enumerate(chosen, 1):
        strategy = named[name]
        used = {engine: evidence.sweep.engines[engine] for engine in strategy.engine_names()}
        model = f"{evidence.sweep.name}-{rank}"
        save(Pipeline.series(strategy, name=model, engines=used), path := folder / f"{model}.toml")
        saved.append(path)
    return saved


def _measured(evidence: Evidence) -> tuple[list[Measured], tuple[str, ...]]:
    found: list[Measured] = []
    unreached: Counter[str] = Counter()
    for arm in evidence.arms:
        pools = [
            evidence.pools[arm.strategy.id, query.id]
            for query in evidence.queries
            if (arm.strategy.id, query.id) in evidence.pools
        ]
        for composition in arm.compositions:
            if missing := len(evidence.queries) - len(pools):
                unreached[_name(composition)] = missing
            if pools:
                found.append(_measure(arm, composition, pools))
    return found, tuple(f"{name} on {count} queries" for name, count in unreached.items())


def _measure(arm: Arm, composition: Strategy, pools: Sequence[Pool]) -> Measured:
    method, n = _method(composition)
    return measure(
        pools,
        method,
        n,
        name=_name(composition),
        composition=composition.model_dump(mode="json"),
        temperature=getattr(composition, "temperature", None),
        failed=sum(draw.generation == Usage() for pool in pools for draw in pool.draws),
    )


def _method(composition: Strategy) -> tuple[str, int]:
    """How a composition's answer is estimated from its arm's pool."""
    match composition:
        case BestOfN(weighted=True):
            return "weighted_vote", composition.n
        case BestOfN():
            return "best_of_n", composition.n
        case SelfConsistency():
            return "vote", composition.n
        case Sample():
            return "single", composition.n
    return "single", 1


def _name(composition: Strategy) -> str:
    """The composition in a few words: its kind and the knobs that are not at their defaults."""
    knobs = composition.model_dump(mode="json", exclude_defaults=True, exclude={"kind", "nodes", "engines", "name"})
    return " ".join([composition.kind, _words(knobs)]).strip()


def _words(knobs: Mapping[str, object]) -> str:
    def word(value: object) -> str:
        if isinstance(value, Mapping):
            return str(value.get("kind", "..."))
        return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)

    return " ".join(f"{key}={word(value)}" for key, value in knobs.items())


def _spent(evidence: Evidence) -> dict[str, float]:
    """What the draws in the report cost, each counted once."""
    total = Usage.total(draw.generation + draw.judgement for pool in evidence.pools.values() for draw in pool.draws)
    named = dict(zip(COUNTED, amounts(total), strict=True))
    return {name: value / 1e9 if name == "cost_usd" else float(value) for name, value in named.items() if value}


def _notes(evidence: Evidence) -> tuple[str, ...]:
    notes = ["every N is estimated without bias from one pool of draws a query; costs are those of a fresh run"]
    if any(arm.verifier is not None for arm in evidence.arms):
        notes.append("the tokens that the verifier reads are in every cost")
    return tuple(notes)
