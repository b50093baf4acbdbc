"""SVDD and CoDe: what they cost, which image they return, and that it is whole at any budget."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from blobs import BLOBS, ENGINES, QUERY, Brightness, shown_as, values, world

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.denoising import Flow, Passage
from ponder.orchestrator.engines.denoisers import Condition
from ponder.orchestrator.errors import BudgetExceeded
from ponder.orchestrator.images import Latent
from ponder.orchestrator.interpolants import LINEAR, VP
from ponder.orchestrator.passing import digest_of
from ponder.orchestrator.run import arun
from ponder.orchestrator.types import Candidate
from ponder.strategies import SVDD
from ponder.strategies.denoising import times
from ponder.strategies.sde_step import sde_steps
from ponder.verifiers import ClassLogprob

KNOBS = {"verifier": ClassLogprob(), "conditional": False}
WAYS = {
    "plain": {},
    "blocks": {"block": 3},
    "one block": {"block": 8},
    "variance-preserving": {"interpolant": "variance_preserving"},
    "exponential": {"grid": "exponential"},
    "more at the end": {"final_steps": 4},
    "guided": {"conditional": True, "guidance": 2.0},
    "no noise": {"diffusion": 0.0},
}


def cost(strategy: SVDD) -> int:
    """``n * steps`` rows, and those that come to the last image alone; two an evaluation with guidance.

    Without noise all proposals of a state are one, and made once.
    """
    final = strategy.final_steps - 1
    made = strategy.n * strategy.steps if strategy.diffusion else strategy.n + strategy.steps - 1
    return (made + final) * (1 if strategy.guidance == 1.0 else 2)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@pytest.mark.parametrize("n", [1, 4])
async def test_rows_are_the_proposals_times_the_steps(n, way) -> None:
    strategy = SVDD(n=n, **KNOBS | way)
    result = await arun(strategy, QUERY, engines=ENGINES)
    assert result.usage.nfe == cost(strategy)
    assert result.stopped == "done"
    assert [each.latent.t for each in result.candidates] == [0]


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_any_budget_gives_a_whole_image_or_is_refused(way) -> None:
    """From nothing upwards: refused while one path does not fit, and then an image of data, with its own score."""
    strategy = SVDD(n=4, steps=8, **KNOBS | way)
    one, enough = cost(strategy.model_copy(update={"n": 1})), cost(strategy)
    for nfe in (0, 1, one - 1):
        with pytest.raises(BudgetExceeded, match="nfe"):
            await arun(strategy, QUERY, engines=ENGINES, budget=Budget(nfe=nfe))
    for nfe in (one, one + 1, one + 2, one + 5, max(one, enough // 2), enough - 1, enough):
        result = await arun(strategy, QUERY, engines=ENGINES, budget=Budget(nfe=nfe))
        best = result.best
        assert one <= result.usage.nfe <= nfe
        assert best.finish.is_complete
        assert best.latent.t == 0.0
        assert best.image.pixels == shown_as(best)
        assert best.scores["class_logprob"].value == await judged(best)


async def judged(candidate: Candidate) -> float | None:
    """What the verifier says of an image by itself."""
    async with world() as ctx:
        [again] = await ctx.score(QUERY, [replace(candidate, scores={})], ClassLogprob())
        return again.scores["class_logprob"].value


async def test_the_best_proposal_of_each_level_goes_on() -> None:
    """The whole search by hand: noises by address, one step of the equation, the brightest data expected."""
    strategy, expected, n = SVDD(n=4, steps=5, verifier=Brightness(), conditional=False), [], 4
    async with world() as ctx:
        [best] = await strategy.run(QUERY, [], ctx)
        x, model = ctx.noise(QUERY, n), BLOBS.load()
        for t, to in pairwise((1.0, *times(5))):
            u = model.velocity(x, np.full(n, t), [Condition()] * n)
            data = LINEAR.data(x, u, t)
            first = int(np.argmax(model.decode(data).reshape(n, -1).mean(axis=1)))
            expected.append(x[first])
            z = ctx.noise(QUERY, n, digest_of(Latent.of(x[first], t)).hex())
            x = sde_steps(LINEAR, x[[first] * n], u[[first] * n], (t, to), g=3 * t * t, z=z).astype(np.float32)
    path = list(best.path())
    assert [values(each).tobytes() for each in path] == [each.tobytes() for each in (*expected, x[0])]
    assert [each.latent.t for each in path] == [1.0, *times(5)]


async def test_more_proposals_begin_with_the_fewer() -> None:
    """After one choice the pool of a wider search holds that of a narrower one, so the image is never worse."""
    found = []
    for n in (2, 4, 8, 16, 32):
        async with world(seed=5) as ctx:
            [best] = await SVDD(n=n, steps=2, verifier=Brightness(), conditional=False).run(QUERY, [], ctx)
        found.append(best.scores["brightness"].value)
    assert found == sorted(found)
    assert found[0] < found[-1]


@pytest.mark.parametrize(("block", "judged"), [(1, 8), (3, 4), (7, 2), (8, 2)])
async def test_a_block_is_judged_at_its_end(block, judged) -> None:
    """A level is n states; the place before the end is always judged, and then the image."""
    strategy = SVDD(n=4, steps=8, block=block, **KNOBS)
    assert len(strategy.stops) == judged
    result = await arun(strategy, QUERY, engines=ENGINES)
    path = list(result.best.path())
    assert len(path) == 9
    assert ["class_logprob" in each.scores for each in path] == [i in strategy.stops for i in range(8)] + [True]


async def test_the_end_may_be_reached_at_once_or_in_steps() -> None:
    """As the data expected at the last judged state, or by more steps from there."""
    way = {"n": 3, "steps": 4, "diffusion": 1.0, "interpolant": "variance_preserving", **KNOBS}
    async with world() as ctx:
        [once] = await SVDD(**way).run(QUERY, [], ctx)
        [thrice] = await SVDD(final_steps=3, **way).run(QUERY, [], ctx)
        state = once.parent.latent
        assert state == thrice.parent.latent
        expected = VP.data(state.array, state.slope, 0.25).astype(np.float32)
        assert values(once).tobytes() == expected.tobytes()
        flow = Flow(interpolant=VP, is_conditional=False)
        way_down = tuple(0.25 * share for share in times(3))
        [done] = await ctx._run.engines["generator"].denoise([Passage(state, flow, "", way_down, decodes=True)])
        assert thrice.latent == done.latent
        assert thrice.image == done.image
