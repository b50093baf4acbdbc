"""From a sweep's evidence to its report, and to pipelines that can be served."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ..orchestrator.budget import COUNTED, amounts
from ..orchestrator.pipeline import Pipeline, build_strategy
from ..orchestrator.pipeline_file import save
from ..orchestrator.strategy import Strategy
from ..orchestrator.wording import in_words
from ..strategies import BestOfN, Sample, SelfConsistency
from .arms import Arm, is_pooled
from .frontier import with_ties
from .measure import Measured, measure, paired
from .pool import Pool
from .report import Report
from .report_spending import Spending
from .sweep import Evidence


def report(evidence: Evidence) -> Report:
    """The report of what a sweep has found so far; the same evidence gives the same bytes."""
    measured, unreached = _measured(evidence)
    points = with_ties([one.point for one in measured], paired(measured)) if measured else ()
    sweep = evidence.sweep
    return Report(
        title=sweep.name,
        data=f"{len(evidence.queries)} queries: {in_words(sweep.data)}",
        split="held out: no embedded model was trained on these problems" if sweep.data.kind == "abacus" else "",
        items=len(evidence.queries),
        seed=sweep.seed,
        budget=sweep.budget.model_dump(exclude_none=True, exclude={"seconds"}),
        ledger=Spending(spent=_spent(evidence)),
        points=points,
        baselines=tuple(point.name for point in points if point.method == "single"),
        incomplete=unreached,
        notes=_notes(evidence),
    )


def save_frontier(evidence: Evidence, made: Report, folder: Path) -> list[Path]:
    """Write each composition of the frontier as a pipeline that can be served; the most accurate comes last."""
    if not made.best:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{evidence.sweep.name}-*.toml"):
        if old.stem.removeprefix(f"{evidence.sweep.name}-").isdecimal():
            old.unlink()
    saved = []
    for rank, point in enumerate(made.best, 1):
        strategy = build_strategy(point.composition)
        used = {engine: evidence.sweep.engines[engine] for engine in strategy.engine_names()}
        model = f"{evidence.sweep.name}-{rank}"
        save(Pipeline.series(strategy, name=model, engines=used), path := folder / f"{model}.toml")
        saved.append(path)
    return saved


def _measured(evidence: Evidence) -> tuple[list[Measured], tuple[str, ...]]:
    """Every composition as measured, each arm's coverage beside it, and what the budget did not reach."""
    found: list[tuple[Measured, Arm, Strategy]] = []
    unreached: list[str] = []
    for arm in evidence.arms:
        keys = [(arm.id, query.id) for query in evidence.queries]
        pools = [evidence.pools[key] for key in keys if key in evidence.pools]
        if missing := len(keys) - len(pools):
            count = len(arm.compositions)
            unreached.append(f"{count} compositions of {in_words(arm.strategy)} on {missing} queries")
        if pools:
            found += [(_measure(composition, pools), arm, composition) for composition in arm.compositions]
            found += [(_coverage(arm.strategy, pools, n), arm, arm.strategy) for n in _sizes(arm)]
    return _told_apart(found), tuple(unreached)


def _measure(composition: Strategy, pools: Sequence[Pool]) -> Measured:
    method, n = _method(composition)
    draws = [draw for pool in pools for draw in pool.draws]
    measured = measure(
        pools,
        method,
        n,
        composition=composition.model_dump(mode="json"),
        temperature=getattr(composition, "temperature", None),
        failed=sum(draw.is_lost for draw in draws),
        unjudged=sum(draw.is_unjudged for draw in draws),
        unscored=sum(draw.score is None and not draw.is_lost for draw in draws) if _is_scored(composition) else 0,
    )
    if is_pooled(composition):
        return measured
    named = measured.point.model_copy(update={"method": composition.kind, "name": in_words(composition)})
    return replace(measured, point=named)


def _is_scored(composition: Strategy) -> bool:
    """Whether a verifier's scores choose among the draws of a pool."""
    return is_pooled(composition) and isinstance(composition, BestOfN) and composition.n > 1


def _coverage(strategy: Strategy, pools: Sequence[Pool], n: int) -> Measured:
    """How often one of `n` draws is right: the bound that no way of choosing among them can pass."""
    return measure(pools, "pass_at_k", n, temperature=getattr(strategy, "temperature", None))


def _sizes(arm: Arm) -> list[int]:
    """Every N above 1 at which an arm's pool is used."""
    if arm.draws is None:
        return []
    return sorted({n for composition in arm.compositions for n in [_method(composition)[1]] if n > 1})


def _told_apart(found: Sequence[tuple[Measured, Arm, Strategy]]) -> list[Measured]:
    """What was measured; points that share a name are called by all their knobs, and how answers are read, instead."""
    shared = {name for name, count in Counter(one.point.name for one, _, _ in found).items() if count > 1}

    def told(one: Measured, arm: Arm, strategy: Strategy) -> Measured:
        if one.point.name not in shared:
            return one
        read = f" answer={in_words(arm.answer)}" if strategy is arm.strategy and arm.answer else ""
        name = f"{one.point.name}: {in_words(strategy)}{read}"
        return replace(one, point=one.point.model_copy(update={"name": name}))

    return [told(*each) for each in found]


def _method(composition: Strategy) -> tuple[str, int]:
    """How a composition's answer is estimated from its arm's pool."""
    if not is_pooled(composition):
        return "single", 1
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


def _spent(evidence: Evidence) -> dict[str, float]:
    named = dict(zip(COUNTED, amounts(evidence.paid), strict=True))
    return {name: value / 1e9 if name == "cost_usd" else float(value) for name, value in named.items() if value}


def _notes(evidence: Evidence) -> tuple[str, ...]:
    notes = ["every N is estimated without bias from one pool of draws a query; costs are those of a fresh run"]
    if any(arm.verifier is not None for arm in evidence.arms):
        notes.append("the tokens that the verifier reads are in every cost")
    return tuple(notes)
