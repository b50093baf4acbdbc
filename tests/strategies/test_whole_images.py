"""An image is whole: no noise is left in it, whatever way it came; a search that was ended goes on with more room."""

import asyncio
import contextlib
from pathlib import Path

import numpy as np
import pytest

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.denoisers import Mixture
from ponder.orchestrator.engines.diffusion import DiffusionSpec
from ponder.orchestrator.engines.image_models import GaussianClassifier
from ponder.orchestrator.engines.image_reward import ImageRewardSpec
from ponder.orchestrator.errors import BudgetExceeded
from ponder.orchestrator.journal_file import JournalFile
from ponder.orchestrator.run import arun
from ponder.orchestrator.runtime import Runtime, Task
from ponder.orchestrator.strategy import Strategy
from ponder.orchestrator.types import Query
from ponder.strategies import SVDD, FeynmanKac, PathSearch, RandomNoiseSearch, RolloverBudgetForcing, ZeroOrderSearch
from ponder.verifiers import ClassLogprob

MEANS = ((-0.5, 0.5, 0.5, -0.5), (0.5, 0.5, -0.5, -0.5))
NARROW = 0.01
ONE_WAY = 9
QUERY = Query.ask("show 1")
JUDGED = {"verifier": ClassLogprob(), "steps": 8}
STEPWISE: dict[str, Strategy] = {
    "svdd": SVDD(n=4, **JUDGED),
    "feynman_kac": FeynmanKac(n=4, **JUDGED),
    "path_search": PathSearch(n=2, **JUDGED),
    "rollover": RolloverBudgetForcing(evaluations=32, initial=4, **JUDGED),
}
WHOLE: dict[str, Strategy] = {
    "random": RandomNoiseSearch(n=4, **JUDGED),
    "heun": RandomNoiseSearch(n=4, solver="heun", **JUDGED),
    "zero_order": ZeroOrderSearch(rounds=2, **JUDGED),
}


def engines(variance: float = 0.05) -> dict[str, DiffusionSpec | ImageRewardSpec]:
    return {
        "generator": DiffusionSpec(denoiser=Mixture(means=MEANS, variance=variance, shape=(2, 2, 1))),
        "reward": ImageRewardSpec(model=GaussianClassifier(means=MEANS)),
    }


@pytest.mark.parametrize("interpolant", ["own", "variance_preserving"])
@pytest.mark.parametrize("grid", ["uniform", "exponential"])
@pytest.mark.parametrize("strategy", [*STEPWISE.values(), *WHOLE.values()], ids=[*STEPWISE, *WHOLE])
async def test_no_noise_is_left(strategy: Strategy, grid: str, interpolant: str) -> None:
    """Of a law whose images all but equal its mean, every image does."""
    way = strategy.model_copy(update={"grid": grid, "interpolant": interpolant})
    result = await arun(way, QUERY, engines=engines(NARROW**2))
    for candidate in result.candidates:
        nearest = min(np.abs(candidate.latent.array.ravel() - np.array(mean)).max() for mean in MEANS)
        assert nearest < 5 * NARROW


@pytest.mark.parametrize("strategy", STEPWISE.values(), ids=STEPWISE)
async def test_a_search_that_its_budget_ended_goes_on_with_a_larger_one(strategy: Strategy, tmp_path: Path) -> None:
    journal = tmp_path / "images.db"
    alone = await arun(strategy, QUERY, engines=engines(), budget=Budget(nfe=1000))
    for nfe in (18, 23, 1000):
        result = await arun(strategy, QUERY, engines=engines(), budget=Budget(nfe=nfe), journal=journal)
        assert result.best is not None
        assert result.best.latent.t == 0.0
    assert result.stopped == "done"
    assert [each.image for each in result.candidates] == [each.image for each in alone.candidates]


@pytest.mark.parametrize("strategy", STEPWISE.values(), ids=STEPWISE)
@pytest.mark.parametrize("calls", [2, 3, 5])
async def test_a_run_that_was_interrupted_keeps_room_for_its_image(
    strategy: Strategy, calls: int, tmp_path: Path
) -> None:
    """What was in flight is paid for and gone; what is left of the budget still ends in a whole image."""
    journal, budget = tmp_path / "images.db", Budget(nfe=32)
    file = JournalFile(journal)
    async with Runtime(engines(), store=file, run=file.open_run("images", {})) as runtime:
        engine, begun = runtime.engines["generator"], 0
        plain = engine.denoise

        async def counted(passages):
            nonlocal begun
            begun += 1
            if begun == calls:
                running.cancel()
                await asyncio.Event().wait()
            return await plain(passages)

        engine.denoise = counted
        task = Task(id="t", strategy=strategy, query=QUERY, budget=budget)
        running = asyncio.create_task(runtime.execute(task, budget))
        with contextlib.suppress(asyncio.CancelledError):
            await running
        spent = file.spent(1).total
        left = Budget(nfe=32 - spent.nfe)
        engine.denoise = plain
        try:
            done = await runtime.execute(task, left)
        except BudgetExceeded:
            assert left.nfe < ONE_WAY
        else:
            assert done.result.candidates or left.nfe < ONE_WAY
            assert all(each.latent.t == 0.0 for each in done.result.candidates)
            assert done.paid.nfe <= left.nfe
    file.close()
