"""The sweep: whole, resumed, refused, and equal to running its compositions one by one."""

import asyncio
import json
import math
import statistics

import pytest
from sweeping import TABLE, page, sweep_of, swept

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.simulated_world import simulated_dataset
from ponder.orchestrator.errors import EngineUnavailable, JournalError, ShapeError, UsageError
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.types import Usage
from ponder.search.estimators import estimates
from ponder.search.findings import report
from ponder.search.sweep import Evidence, Progress, Sweep, estimate_sweep, run_sweep
from ponder.strategies import BestOfN, SelfConsistency
from ponder.verifiers import ProcessReward


def test_a_sweep_measures_every_composition(tmp_path) -> None:
    evidence, progress = swept(sweep_of(), tmp_path / "s.db")
    made = report(evidence)
    methods = [point.method for point in made.points if not point.is_oracle]
    assert sorted(set(methods)) == ["best_of_n", "single", "vote", "weighted_vote"]
    assert len(methods) == 2 + 4 + 8
    assert (progress.tasks, progress.done, progress.replayed, progress.draws) == (12, 12, 0, 48)
    assert all(point.items == 6 and point.low <= point.accuracy <= point.high for point in made.points)
    assert made.best
    assert made.incomplete == ()
    assert made.ledger.spent["total_tokens"] == evidence.paid.total_tokens == progress.paid.total_tokens


def test_running_again_pays_nothing_and_changes_nothing(tmp_path) -> None:
    first, _ = swept(sweep_of(), tmp_path / "s.db")
    again, progress = swept(sweep_of(), tmp_path / "s.db")
    assert progress.paid == Usage()
    assert (progress.replayed, progress.done) == (12, 12)
    assert page(again) == page(first) == page(Evidence.read(tmp_path / "s.db"))


def test_the_report_has_the_same_bytes_at_any_concurrency(tmp_path) -> None:
    pages = set()
    for i, knobs in enumerate(({}, {"max_in_flight": 1}, {"jitter_s": 0.003, "max_in_flight": 64})):
        engines = {name: {**table, **knobs} for name, table in TABLE["engines"].items()}
        pages.add(page(swept(sweep_of(engines=engines), tmp_path / f"{i}.db")[0]))
    assert len(pages) == 1


@pytest.mark.parametrize("after", [1, 4, 9])
def test_an_interrupted_sweep_resumes_to_the_same_report(tmp_path, after) -> None:
    engines = {name: {**table, "latency_s": 0.004, "max_in_flight": 4} for name, table in TABLE["engines"].items()}
    sweep = sweep_of(engines=engines)
    whole, complete = swept(sweep, tmp_path / "whole.db")

    def interrupt(progress: Progress) -> None:
        if progress.done == after:
            raise OSError("interrupted")

    with pytest.raises(OSError, match="interrupted"):
        asyncio.run(run_sweep(sweep, tmp_path / "s.db", interrupt))
    part = Evidence.read(tmp_path / "s.db")
    assert 0 < len(part.pools) < 12
    assert report(part).incomplete
    resumed, progress = swept(sweep, tmp_path / "s.db")
    assert progress.replayed >= after
    assert page(resumed) == page(whole)
    assert progress.spent.calls <= complete.paid.calls + progress.before.calls_at_risk + 48


def test_cancelled_at_any_moment_a_sweep_resumes_to_the_same_report(tmp_path) -> None:
    engines = {name: {**table, "latency_s": 0.003} for name, table in TABLE["engines"].items()}
    sweep = sweep_of(engines=engines)
    whole = page(swept(sweep, tmp_path / "whole.db")[0])

    async def cut_short(seconds: float) -> None:
        work = asyncio.create_task(run_sweep(sweep, tmp_path / "s.db"))
        await asyncio.sleep(seconds)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    for seconds in (0.02, 0.03, 0.04, 0.05):
        asyncio.run(cut_short(seconds))
    assert page(swept(sweep, tmp_path / "s.db")[0]) == whole


def test_a_small_budget_reaches_the_first_queries_and_a_larger_one_goes_on(tmp_path) -> None:
    whole, _ = swept(sweep_of(), tmp_path / "whole.db")
    small = sweep_of(budget={"total_tokens": whole.paid.total_tokens // 2})
    part, progress = swept(small, tmp_path / "s.db")
    assert 0 < progress.done < 12
    assert progress.spent.total_tokens <= small.budget.total_tokens
    assert {query for _, query in part.pools} < {query.id for query in part.queries}
    assert all("compositions of" in line for line in report(part).incomplete)
    more, progress = swept(sweep_of(), tmp_path / "s.db")
    assert page(more) == page(whole)
    assert progress.spent.total_tokens == whole.paid.total_tokens


def test_a_budget_too_small_for_one_query_is_refused_before_a_call(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"one query of one arm at least, but total_tokens: \d+ needed .*, 99 left"):
        swept(sweep_of(budget={"total_tokens": 99}), tmp_path / "s.db")
    file = JournalFile(tmp_path / "s.db")
    assert file.spent(1).total == Usage()
    file.close()


def test_another_sweep_of_the_same_name_is_refused(tmp_path) -> None:
    swept(sweep_of(), tmp_path / "s.db")
    with pytest.raises(JournalError, match=r"run 'small' .* must be resumed as it was started, but seed changed; give"):
        swept(sweep_of(seed=1), tmp_path / "s.db")
    other = {"data": {"kind": "simulated", "size": 7}, "engines": {**TABLE["engines"], "more": {"kind": "simulated"}}}
    with pytest.raises(JournalError, match="but data, engines changed"):
        swept(sweep_of(**other), tmp_path / "s.db")
    _, progress = swept(sweep_of(name="other", seed=1), tmp_path / "s.db")
    assert progress.done == 12
    with pytest.raises(UsageError, match="must hold the sweep asked for, got None; it holds: small, other"):
        Evidence.read(tmp_path / "s.db")
    assert len(Evidence.read(tmp_path / "s.db", "other").pools) == 12


def test_two_sweeps_in_one_journal_share_their_draws(tmp_path) -> None:
    swept(sweep_of(), tmp_path / "s.db")
    _, progress = swept(sweep_of(name="again"), tmp_path / "s.db")
    assert progress.paid == Usage()
    assert progress.draws == 48


@pytest.mark.parametrize(
    ("changes", "error", "problem"),
    [
        ({"checker": {"kind": "process_reward"}}, UsageError, "must judge by rules, but 'process_reward' asks"),
        ({"engines": {}}, ShapeError, r"one of the sweep's \(none\); add \[engines.generator\]"),
        ({"grids": [{"strategy": {"kind": "vote"}}]}, ShapeError, "nothing before it draws any"),
        ({"data": {"kind": "file", "path": "/nowhere.jsonl"}}, UsageError, "must be readable at /nowhere.jsonl"),
    ],
)  # fmt: skip
def test_a_sweep_that_cannot_work_is_refused(tmp_path, changes, error, problem) -> None:
    with pytest.raises(error, match=problem):
        swept(sweep_of(**changes), tmp_path / "s.db")


def test_an_engine_that_stays_away_stops_the_sweep_and_is_found_again(tmp_path) -> None:
    engines = {**TABLE["engines"], "generator": {"kind": "simulated", "faults": {"unavailable": 1.0}}}
    small = {"engines": engines, "data": {"kind": "simulated", "size": 1}, "grids": TABLE["grids"][:1]}

    async def hurried() -> None:
        await asyncio.wait_for(run_sweep(sweep_of(**small), tmp_path / "s.db"), 60)

    with pytest.raises(EngineUnavailable, match="everything else is recorded; see to the engine, then run the same"):
        asyncio.run(hurried())


async def test_the_estimate_of_a_sweep_brackets_its_cost(tmp_path) -> None:
    estimate = await estimate_sweep(sweep_of())
    evidence, _ = await run_sweep(sweep_of(), tmp_path / "s.db")
    assert estimate.least.total_tokens <= evidence.paid.total_tokens <= estimate.most.total_tokens
    assert estimate.most.calls == evidence.paid.calls == 48


async def test_estimates_from_a_pool_agree_with_running_the_compositions(tmp_path) -> None:
    """Query by query, the estimate less the mean of fresh runs has mean zero, within four standard errors."""
    sweep = sweep_of(data={"kind": "simulated", "size": 40}, grids=[_largest()])
    evidence, _ = await run_sweep(sweep, tmp_path / "s.db")
    [arm] = evidence.arms
    pools = [evidence.pools[arm.id, query.id] for query in evidence.queries]
    reward, knobs = ProcessReward(), {"n": 4, "max_tokens": 48}
    async with Runtime(sweep.engines) as runtime:
        for method, strategy in (
            ("vote", SelfConsistency(**knobs)),
            ("best_of_n", BestOfN(**knobs, verifier=reward)),
            ("weighted_vote", BestOfN(**knobs, verifier=reward, weighted=True)),
        ):
            fresh = [await _accuracy(runtime, strategy, query) for query in evidence.queries]
            gaps = [a - b for a, b in zip(estimates(pools, method, 4), fresh, strict=True)]
            assert abs(statistics.mean(gaps)) <= 4 * statistics.stdev(gaps) / math.sqrt(len(gaps))


async def _accuracy(runtime: Runtime, strategy, query, runs: int = 8) -> float:
    right = 0
    for replicate in range(1, runs + 1):
        task = Task(id="t", strategy=strategy, query=query, replicate=replicate)
        best = (await runtime.execute(task, Budget())).result.best
        right += best is not None and best.text.split()[-1] == query.reference
    return right / runs


def _largest() -> dict:
    strategy = {"kind": "best_of_n", "max_tokens": 48, "verifier": {"kind": "process_reward"}, "weighted": True}
    return {"strategy": strategy, "over": {"n": [4, 24]}}


def test_a_sweep_is_loaded_from_its_file(tmp_path) -> None:
    import tomli_w

    (path := tmp_path / "mine.toml").write_text(tomli_w.dumps({k: v for k, v in TABLE.items() if k != "name"}))
    assert Sweep.load(path) == sweep_of(name="mine")
    path.write_text(path.read_text() + "\n[colour]\n")
    with pytest.raises(UsageError, match=r"the sweep in .*mine\.toml is not valid: colour: Extra inputs"):
        Sweep.load(path)


def test_a_query_that_changed_is_measured_anew(tmp_path) -> None:
    [query] = simulated_dataset(1, first=3)
    path = tmp_path / "data.jsonl"
    sweep = sweep_of(data={"kind": "file", "path": str(path)}, grids=TABLE["grids"][1:2])
    row = {"id": "a", "prompt": query.messages[0].content}
    path.write_text(json.dumps({**row, "answer": "wrong"}))
    spoiled, _ = swept(sweep, tmp_path / "s.db")
    path.write_text(json.dumps({**row, "answer": query.reference}))
    mended, progress = swept(sweep, tmp_path / "s.db")
    assert (progress.done, progress.paid) == (2, Usage())
    assert not any(draw.correct for pool in spoiled.pools.values() for draw in pool.draws)
    assert any(draw.correct for pool in mended.pools.values() for draw in pool.draws)
