"""Whoever watches a run is told how it goes, and of the answer while it is written; nothing drawn depends on it."""

from __future__ import annotations

import pytest

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engine import Progress
from ponder.orchestrator.engines.simulated import SimulatedSpec
from ponder.orchestrator.pipeline import Pipeline
from ponder.orchestrator.run_state import Run, Step, Watcher
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Query, Result
from ponder.strategies import Fuse, Sample, SelfConsistency

QUERY = Query.ask("Problem 3: which number do the steps lead to?")
ONE, FOUR, VOTE, FUSED = Sample(), Sample(n=4), SelfConsistency(n=4), Fuse()


async def watched(*strategies: Strategy) -> tuple[Result, str, list[Step], list[Run]]:
    pipeline = Pipeline.series(*strategies, engines={"generator": SimulatedSpec()})
    told: list[Progress] = []
    steps: list[Step] = []
    runs: list[Run] = []
    watcher = Watcher(began=runs.append, stepped=steps.append, answered=told.append)
    async with Runtime(pipeline.engines) as runtime:
        task = Task(id="q", strategy=pipeline, query=QUERY)
        done = await runtime.execute(task, Budget(), watcher)
        assert (await runtime.execute(task, Budget())).result == done.result
    return done.result, "".join(progress.text for progress in told), steps, runs


@pytest.mark.parametrize("strategies", [(ONE,), (FOUR, FUSED), (Pipeline.series(FOUR, FUSED),)])
async def test_an_answer_that_is_one_draw_is_told_as_it_is_written(strategies: tuple[Strategy, ...]) -> None:
    result, told, _, _ = await watched(*strategies)
    assert told == result.text != ""


@pytest.mark.parametrize(
    "strategies", [(FOUR,), (VOTE,), (FOUR, FUSED, Fuse(n=2)), (VOTE, Pipeline.series(FUSED), Fuse(n=2))]
)
async def test_drafts_are_not_told_as_the_answer(strategies: tuple[Strategy, ...]) -> None:
    result, told, _, _ = await watched(*strategies)
    assert told == "" != result.text


async def test_steps_and_the_run_are_told() -> None:
    result, _, steps, [run] = await watched(FOUR, FUSED)
    assert [(step.strategy, step.draws) for step in steps] == [("sample_0 (sample)", 4), ("fuse_1 (fuse)", 1)]
    assert run.ledger.spent == run.account.spent == result.usage
