"""Search over paths: what it costs, who survives, that it samples what the denoiser knows, and whole images."""

from itertools import pairwise

import numpy as np
import pytest
from blobs import BLOBS, ENGINES, QUERY, shown_as, values, world
from image_rewards import BRIGHT, COUNTED, FLAT, rows_of
from pydantic import ValidationError
from scipy import stats

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.context import Context
from ponder.orchestrator.engines.denoisers import Condition, Mixture
from ponder.orchestrator.errors import BudgetExceeded
from ponder.orchestrator.images import Latent
from ponder.orchestrator.passing import digest_of
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.run import arun
from ponder.orchestrator.shape import Shape
from ponder.strategies import PathSearch
from ponder.strategies.denoising import between
from ponder.strategies.renoising import renoising

KNOBS = {"verifier": BRIGHT, "conditional": False}
WAYS = {
    "plain": {},
    "one path": {"n": 1},
    "one child": {"children": 1},
    "one of both": {"n": 1, "children": 1},
    "one round": {"start": 0.2, "forward": 0.1, "backward": 0.5},
    "from near data": {"start": 0.12, "forward": 0.78, "backward": 0.81, "backward_steps": 4},
    "exactly divided": {"start": 0.6, "forward": 0.1, "backward": 0.3},
    "variance-preserving": {"interpolant": "variance_preserving", "grid": "exponential"},
    "guided": {"conditional": True, "guidance": 2.0},
}


def cost(search: PathSearch) -> int:
    """``N T0 + N M (R (L + 1) - 1)``: the last round's images need no look ahead, one path alone none at all."""
    rounds = int(np.ceil(search.start / (search.backward - search.forward) - 1e-9))
    first = max(1, round(search.steps * (1 - search.start)))
    pool = search.n * search.children
    looks = (rounds - 1) * (pool > 1)
    rows = search.n * first + pool * (rounds * search.backward_steps + looks)
    return rows * (1 if search.guidance == 1.0 else 2)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_rows_and_judgements_are_those_of_the_formula(way) -> None:
    search = PathSearch(**KNOBS | way)
    async with world(COUNTED) as ctx:
        images = await search.run(QUERY, [], ctx)
        assert rows_of(ctx) == ctx._run.ledger.spent.nfe == cost(search)
        assert len(images) == search.n
        plan = Plan(ctx._run.engines)
        shape = search.infer(Shape(), plan)
        assert (plan.estimate.least.nfe, plan.estimate.most.nfe, shape.most) == (cost(search), cost(search), search.n)


def test_rounds_reach_data_exactly() -> None:
    search = PathSearch(verifier=BRIGHT)
    assert (search.rounds, search.excursions.stops) == (5, pytest.approx((0.9, 0.68, 0.46, 0.24, 0.02, 0)))
    assert search.excursions.excursion(0) == (pytest.approx(0.98), pytest.approx((0.83, 0.68)))
    assert search.excursions.excursion(4) == (pytest.approx(0.1), pytest.approx((0.05, 0)))
    published = PathSearch(verifier=BRIGHT, start=0.12, forward=0.78, backward=0.81, backward_steps=4)
    assert (published.rounds, published.excursions.stops[-1]) == (4, 0.0)
    assert PathSearch(verifier=BRIGHT, start=0.6, forward=0.1, backward=0.3).rounds == 3


@pytest.mark.parametrize(
    ("knobs", "why"),
    [
        ({"forward": 0.3, "backward": 0.3}, "backward must be more than forward, or the search never ends"),
        ({"forward": 0.3, "backward": 0.2}, "backward must be more than forward, or the search never ends"),
        ({"start": 0.9, "forward": 0.1, "backward": 0.2}, "start and forward must be less than 1 together"),
        ({"forward": 0.05, "backward": 0.0501}, "at most 1000 rounds, got 9000"),
        ({"start": 1.0}, "less than 1"),
        ({"forward": 0.0}, "greater than 0"),
    ],
)
def test_what_never_ends_or_forgets_everything_is_refused(knobs, why) -> None:
    with pytest.raises(ValidationError, match=why):
        PathSearch(verifier=BRIGHT, **knobs)


async def test_the_whole_search_by_hand() -> None:
    """Noises by address, the kernel, Euler's steps, and the brightest half of the children of each round."""
    search = PathSearch(n=2, children=3, steps=10, start=0.7, forward=0.1, backward=0.5, backward_steps=3, **KNOBS)
    model = BLOBS.load()

    def down(x: np.ndarray, t: float, times: tuple[float, ...]) -> np.ndarray:
        for at, to in pairwise((t, *times)):
            x = x + (to - at) * model.velocity(x, np.full(len(x), at), [Condition()] * len(x))
        return x

    async with world() as ctx:
        images = await search.run(QUERY, [], ctx)
        x = down(ctx.noise(QUERY, 2), 1.0, between(1.0, 0.7, 3)).astype(np.float32)
        for s, b in ((0.7, 0.7 - 0.4), (0.7 - 0.4, 0.0)):
            z = np.stack([ctx.noise(QUERY, 3, digest_of(Latent.of(each, s)).hex()) for each in x])
            factor, variance = renoising(BLOBS.interpolant, s, s + 0.1)
            top = (factor * x[:, None] + variance**0.5 * z).reshape(6, *x.shape[1:]).astype(np.float32)
            there = down(top, s + 0.1, between(s + 0.1, b, 3))
            data = there - b * model.velocity(there, np.full(6, b), [Condition()] * 6) if b else there
            bright = model.decode(data).reshape(6, -1).mean(axis=1)
            x = there[np.argsort(-bright, kind="stable")[:2]].astype(np.float32)
        assert [values(each) for each in images] == [pytest.approx(each, abs=1e-5) for each in x]
        assert all(each.image.pixels == shown_as(each) for each in images)


async def test_survivors_are_the_best_of_their_round() -> None:
    search = PathSearch(n=3, children=4, **KNOBS)
    async with world() as ctx:
        images = await search.run(QUERY, [], ctx)
        told = [each.scores[BRIGHT.name].value for each in images]
        assert told == sorted(told, reverse=True)
        assert all(
            told == each.image.array.mean(dtype=np.float64) / 255 for told, each in zip(told, images, strict=True)
        )
        lines = [list(each.path()) for each in images]
        assert all([state.latent.t for state in line] == list(search.excursions.stops) for line in lines)
        for stop in range(1, search.rounds + 1):  # each round made 12, numbered on from the 3 first
            numbers = {line[stop].index for line in lines}
            assert numbers <= set(range(3 + 12 * (stop - 1), 3 + 12 * stop))


async def test_more_children_begin_with_the_fewer() -> None:
    """One round: the pool of more children holds that of fewer."""
    best = []
    for children in (1, 2, 4, 16):
        async with world() as ctx:
            search = PathSearch(n=2, children=children, start=0.4, forward=0.3, backward=0.7, **KNOBS)
            best.append((await search.run(QUERY, [], ctx))[0].scores[BRIGHT.name].value)
    assert best == sorted(best)
    assert best[0] < best[-1]


LINE = Mixture(means=((-0.8,), (0.6,)), variance=0.04, weights=(0.3, 0.7), shape=(1, 1, 1))


async def drawn(search: PathSearch, ctx: Context) -> np.ndarray:
    return np.array([values(each).item() for each in await search.run(QUERY, [], ctx)])


async def test_with_one_child_a_path_is_a_sample_of_the_data() -> None:
    """2,000 paths that no choice touches, each there and back twice, against the mixture that the denoiser knows."""
    fine = {"steps": 60, "start": 0.5, "forward": 0.3, "backward": 0.55, "backward_steps": 40}
    async with world(LINE) as ctx:
        found = await drawn(PathSearch(n=2000, children=1, verifier=FLAT, conditional=False, **fine), ctx)

    def cdf(x: np.ndarray) -> np.ndarray:
        return 0.3 * stats.norm.cdf(x, -0.8, 0.2) + 0.7 * stats.norm.cdf(x, 0.6, 0.2)

    assert stats.kstest(found, cdf).pvalue > 0.01
    assert found.mean() == pytest.approx(0.18, abs=0.04)
    assert found.var() == pytest.approx(0.04 + 0.21 * 1.4**2, abs=0.03)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_any_budget_gives_whole_images_or_is_refused(way) -> None:
    search = PathSearch(**KNOBS | way)
    rows = 1 if search.guidance == 1.0 else 2
    one = rows * (len(search.excursions.first) + len(search.excursions.rest(0)))
    for nfe in (0, 1, one - 1):
        with pytest.raises(BudgetExceeded, match="nfe"):
            await arun(search, QUERY, engines=ENGINES, budget=Budget(nfe=nfe))
    for nfe in (one, one + 1, one + 2, one + 7, one + 20, max(one, cost(search) - 1), max(one, cost(search))):
        result = await arun(search, QUERY, engines=ENGINES, budget=Budget(nfe=nfe))
        assert result.usage.nfe <= nfe
        assert result.best is not None
        for each in result.candidates:
            assert each.latent.t == 0.0 and each.finish.is_complete
            assert each.image.pixels == shown_as(each)
            if search.n * search.children > 1:
                assert each.scores[BRIGHT.name].value == each.image.array.mean(dtype=np.float64) / 255
