"""Over a thousand random spaces and budgets, no sweep spends more than its budget and no answer more than its limit."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sweeping import REWARD, in_memory, searched, spent, sweep_of

from ponder.orchestrator.budget import COUNTED, Budget, amounts
from ponder.orchestrator.errors import UsageError
from ponder.search.record import Record
from ponder.search.reports.findings import report
from ponder.search.sweep import Sweep

CASES = 1_000
BLOCKS = 10
KINDS = ("vote", "best", "adaptive", "early", "accepted", "cascade", "tree", "series", "refined")


def one_of(rng: random.Random, *values: Any, most: int = 2) -> dict[str, Any]:
    return {"kind": "choice", "values": sorted(rng.sample(values, rng.randint(1, most)))}


def option(rng: random.Random, kind: str) -> dict[str, Any]:
    """A table of compositions of one kind, at most four of them."""
    drawing = {"max_tokens": rng.choice((8, 24, 48)), "temperature": one_of(rng, 0.6, 1.0)}
    n = one_of(rng, 1, 2, 3, 5)
    match kind:
        case "vote":
            return {"kind": "self_consistency", **drawing, "n": n}
        case "best":
            weighted = one_of(rng, False, True)
            return {"kind": "best_of_n", **drawing, "n": n, "verifier": REWARD, "weighted": weighted}
        case "adaptive":
            return {"kind": "adaptive_consistency", **drawing, "n": n, "threshold": 0.8}
        case "early":
            return {"kind": "esc", **drawing, "n": one_of(rng, 4, 6), "window": 2}
        case "accepted":
            return {"kind": "first_accepted", **drawing, "n": n, "verifier": REWARD, "threshold": 0.6}
        case "cascade":
            stages = [{"kind": "sample", **drawing}, {"kind": "self_consistency", **drawing, "n": n}]
            return {"kind": "cascade", "stages": stages, "verifier": REWARD, "thresholds": [0.7]}
        case "tree":
            shared = {"n": one_of(rng, 2, 4), "step_tokens": 12, "max_steps": 4, "verifier": REWARD}
            return {"kind": rng.choice(("rebase", "beam_search")), **shared}
        case "refined":
            return {"kind": "self_refine", **drawing, "rounds": one_of(rng, 1, 2)}
    filtered = {"kind": "rank", "verifier": REWARD, "keep": 2}
    return {
        "kind": "pipeline",
        "stages": [{"kind": "sample", **drawing, "n": one_of(rng, 3, 4)}, filtered, {"kind": "vote"}],
    }


def random_sweep(seed: int) -> Sweep:
    rng = random.Random(seed)
    faults = {"refused": rng.choice((0, 0, 0.1)), "empty": rng.choice((0, 0.1)), "cut": rng.choice((0, 0.1))}
    engine = {
        "kind": "simulated",
        "max_in_flight": 64,
        "jitter_s": rng.choice((0, 0, 0.0005)),
        "prompt_price": 1.0,
        "completion_price": 3.0,
        "faults": {**faults, "seed": seed},
    }
    scale = {"total_tokens": 1, "prompt_tokens": 0.6, "completion_tokens": 0.4, "calls": 1e-2, "verifier_calls": 1e-2}
    scale |= {"flops": 5e5, "cost_usd": 2e-6}

    def limits(low: float, high: float, most: int) -> dict[str, float]:
        names = rng.sample(sorted(scale), rng.randint(1, most))
        found = {name: scale[name] * low * (high / low) ** rng.random() for name in names}
        return {name: limit if name == "cost_usd" else int(limit) for name, limit in found.items()}

    seconds = {"seconds": 0.02 + 0.2 * rng.random()} if rng.random() < 0.05 else {}
    return sweep_of(
        data={"kind": "simulated", "size": rng.randint(3, 6)},
        engines={"generator": engine, "reward": {**engine, "reward_noise": 1.0}},
        space={"options": [option(rng, kind) for kind in rng.sample(KINDS, rng.randint(1, 3))]},
        budget={**limits(300, 20_000, 2), **seconds},
        per_query=limits(100, 3_000, 2) if rng.random() < 0.6 else {},
        by=rng.choice(("total_tokens", "total_tokens", "calls", "cost_usd", "flops")),
        seed=seed,
    )


async def check(sweep: Sweep, journal: Path) -> Counter[str]:
    """Run one case and look for violations; what it was like."""
    try:
        _, watched = await searched(sweep, journal)
    except UsageError:
        assert spent(journal).total.as_dict() == {}, "refused after calls were made"
        return Counter(refused=1)
    total = spent(journal).total
    assert sweep.budget.fits(total), f"spent {total} of {sweep.budget}"
    for task, lease, done in watched.ended:
        assert sweep.per_query.fits(done.result.usage), f"{task.strategy} took {done.result.usage}"
        assert lease.fits(done.paid)
    record = Record.read(journal)
    forbidden = 0
    for point in sweep.space.enumerate():
        most = [(await watched.estimate(point.strategy, query)).most for query in sweep.data.load()]
        if not all(map(sweep.per_query.fits, most)):
            forbidden += 1
            assert point.id not in record.members
            assert not any(name.startswith(f"{point.id}/") for name in record.pools)
    made = report(record)
    assert {name: x for name, x in made.ledger.spent.items()} == in_dollars(spent(journal).effects)
    is_short = any(batch.missing for batch in record.batches)
    return Counter(
        run=1, forbidding=forbidden > 0, short=is_short, confirmed=made.is_confirmed, answers=len(watched.ended)
    )


def in_dollars(usage) -> dict[str, float]:
    found = dict(zip(COUNTED, amounts(usage), strict=True))
    return {name: x / 1e9 if name == "cost_usd" else x for name, x in found.items() if x}


@pytest.mark.parametrize("block", range(BLOCKS))
async def test_no_limit_is_ever_exceeded(block: int) -> None:
    met: Counter[str] = Counter()
    with in_memory() as folder:
        for seed in range(block, CASES, BLOCKS):
            met += await check(random_sweep(seed), folder / f"{seed}.db")
    assert met["run"] >= CASES / BLOCKS / 2
    assert min(met["forbidding"], met["short"], met["confirmed"], met["refused"]) >= 3, "every side must be met"


def test_a_budget_is_kept_in_what_it_names() -> None:
    assert {name for seed in range(CASES) for name in random_sweep(seed).budget.model_dump(exclude_none=True)} == {
        *COUNTED,
        "seconds",
    } - {"nfe", "compute_seconds"}
    assert all(any(x is not None for x in Budget.limits(random_sweep(seed).budget)) for seed in range(CASES))
