"""Zero-order search over noises: what it costs, that it never gets worse, and where it goes when it is stuck."""

import numpy as np
import pytest
from blobs import ENGINES, QUERY, shown_as, values, world
from image_rewards import BRIGHT, COUNTED, FALLING, FLAT, SILENT, rows_of
from pydantic import ValidationError

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.errors import BudgetExceeded, ShapeError
from ponder.orchestrator.plan import Plan
from ponder.orchestrator.run import arun
from ponder.orchestrator.shape import Shape
from ponder.orchestrator.types import Candidate
from ponder.strategies import RandomNoiseSearch, ZeroOrderSearch
from ponder.strategies.neighbours import neighbours
from ponder.verifiers import RankEnsemble

KNOBS = {"verifier": BRIGHT, "conditional": False, "tau": 0.6}


async def found(seed: int = 0, **knobs: object) -> list[Candidate]:
    async with world(seed=seed) as ctx:
        return await ZeroOrderSearch(**KNOBS | knobs).run(QUERY, [], ctx)


def by_round(images: list[Candidate], n: int) -> list[list[Candidate]]:
    """The images in the order they were made: the first, and then each round's."""
    order = sorted(images, key=lambda each: each.index)
    return [order[:1]] + [order[i : i + n] for i in range(1, len(order), n)]


def told(image: Candidate, verifier: str = BRIGHT.name) -> float:
    return image.scores[verifier].value


def start(image: Candidate) -> np.ndarray:
    """The noise that an image was made of."""
    return values(next(image.path()))


@pytest.mark.parametrize(
    ("knobs", "rows"),
    [
        ({}, 6 * (1 + 3 * 5)),
        ({"restart_patience": 1}, 6 * (1 + 3 * 5)),
        ({"final_steps": 9}, 6 * (1 + 3 * 5) + 9),
        ({"solver": "heun"}, 11 * (1 + 3 * 5)),
        ({"conditional": True, "guidance": 3.0}, 2 * 6 * (1 + 3 * 5)),
    ],
)
async def test_rows_are_the_steps_of_the_pivot_and_of_all_neighbours(knobs, rows) -> None:
    search = ZeroOrderSearch(n=3, rounds=5, steps=6, **KNOBS | knobs)
    async with world(COUNTED) as ctx:
        await search.run(QUERY, [], ctx)
        assert rows_of(ctx) == ctx._run.ledger.spent.nfe == rows
        plan = Plan(ctx._run.engines)
        search.infer(Shape(), plan)
        assert plan.estimate.most.nfe == rows


@pytest.mark.parametrize("patience", [None, 1, 2])
async def test_the_pivot_moves_to_what_is_better(patience) -> None:
    """The whole search by hand, from the scores: what each round's noises were, around which pivot."""
    n, rounds, tau = 3, 12, KNOBS["tau"]
    images = await found(n=n, rounds=rounds, restart_patience=patience)
    first, *others = by_round(images, n)
    pivot, idle, restarts = first[0], 0, 0
    async with world() as ctx:
        assert (start(pivot) == ctx.noise(QUERY, 1)[0]).all()
        for number, around in enumerate(others, 1):
            drawn = ctx.noise(QUERY, n, number)
            if idle == patience:
                pivot, idle, restarts = max(around, key=told), 0, restarts + 1
            else:
                drawn = neighbours(start(pivot), drawn, tau)
                best = max(around, key=told)
                idle = 0 if told(best) > told(pivot) else idle + 1
                pivot = best if idle == 0 else pivot
            assert [start(each).tobytes() for each in around] == [each.tobytes() for each in drawn]
    assert (restarts > 0) == (patience is not None)


async def test_the_best_is_the_best_of_all_that_was_made_and_never_gets_worse() -> None:
    best = []
    for rounds in (1, 2, 4, 8, 16):
        images = await found(n=2, rounds=rounds, restart_patience=2)
        assert len(images) == len({start(each).tobytes() for each in images}) == 1 + 2 * rounds
        assert [told(each) for each in images] == sorted(map(told, images), reverse=True)
        assert all(each.image.pixels == shown_as(each) for each in images)
        best.append(told(images[0]))
    assert best == sorted(best)
    assert best[0] < best[-1]


@pytest.mark.parametrize("verifier", [FLAT, FALLING, SILENT])
async def test_where_nothing_is_better_the_first_pivot_stays(verifier) -> None:
    images = await found(n=3, rounds=4, verifier=verifier)
    first, *others = by_round(images, 3)
    assert images[0] is first[0]
    p = start(first[0]).ravel()
    for each in (image for around in others for image in around):
        assert start(each).ravel() @ p / (p @ p) == pytest.approx(0.6, abs=1e-5)


async def test_more_neighbours_begin_with_the_fewer() -> None:
    few, many = by_round(await found(n=2, rounds=1), 2), by_round(await found(n=6, rounds=1), 6)
    assert [values(each).tobytes() for each in few[1]] == [values(each).tobytes() for each in many[1][:2]]
    assert [values(each).tobytes() for each in await found(seed=1)] != [
        values(each).tobytes() for each in await found()
    ]


async def test_it_begins_as_random_search_does() -> None:
    async with world() as ctx:
        [plain] = await RandomNoiseSearch(n=1, verifier=BRIGHT, conditional=False).run(QUERY, [], ctx)
    [first, *_] = by_round(await found(rounds=1), 4)
    assert first[0].latent == plain.latent


async def test_any_budget_gives_whole_images_or_is_refused() -> None:
    search = ZeroOrderSearch(n=3, rounds=3, steps=6, **KNOBS)
    for nfe in (0, 5):
        with pytest.raises(BudgetExceeded, match="nfe"):
            await arun(search, QUERY, engines=ENGINES, budget=Budget(nfe=nfe))
    for nfe in (6, 11, 12, 35, 59, 60):
        result = await arun(search, QUERY, engines=ENGINES, budget=Budget(nfe=nfe))
        assert result.usage.nfe == 6 * (nfe // 6)
        assert len(result.candidates) == nfe // 6
        assert all(each.latent.t == 0 and each.image.pixels == shown_as(each) for each in result.candidates)


def test_scores_that_compare_within_a_round_are_refused() -> None:
    search = ZeroOrderSearch(verifier=RankEnsemble(members=(BRIGHT, FLAT)))
    with pytest.raises(ShapeError, match="here a score must stand alone"):
        search.infer(Shape(), Plan())


@pytest.mark.parametrize("tau", [1.0, -1.0, 2.0])
def test_neighbours_must_differ_from_their_pivot_and_from_one_another(tau) -> None:
    with pytest.raises(ValidationError, match="tau"):
        ZeroOrderSearch(verifier=BRIGHT, tau=tau)
