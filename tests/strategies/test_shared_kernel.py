"""One kernel and the same allocators: over texts that are written in steps, and over images that are denoised."""

import pytest
from blobs import QUERY as DRAW
from blobs import Brightness, shown_as, values, world
from making import context
from tabled import LastNumber, Tabled
from watched_allocator import Watched

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.types import Query
from ponder.strategies import (
    SVDD,
    BeamSearch,
    DenoisingBeam,
    DenoisingRebase,
    FeynmanKac,
    ParticleFilter,
    Rebase,
)
from ponder.strategies.denoising_steps import DenoisingSteps
from ponder.strategies.level_search import search
from ponder.strategies.lineage import lineage

ON_TEXTS = {"verifier": LastNumber(), "n": 6, "max_steps": 4}
ON_IMAGES = {"verifier": Brightness(factor=4.0), "conditional": False, "n": 6, "steps": 4}
STEERED = {"weight": "incremental", "potential": "exponential", "threshold": 0.9}
PAIRS = {
    "beam": (BeamSearch(beam_width=2, **ON_TEXTS), DenoisingBeam(beam_width=2, **ON_IMAGES)),
    "rebase": (
        Rebase(balance=0.5, rounding="systematic", **ON_TEXTS),
        DenoisingRebase(balance=0.5, rounding="systematic", **ON_IMAGES),
    ),
    "particles": (ParticleFilter(**STEERED, **ON_TEXTS), FeynmanKac(scale=1.0, threshold=0.9, **ON_IMAGES)),
}
TABLE = {"": ["1\n", "5\n", "2\n", "7\n", "3\n"], "\n": ["4\n", "6\n", "0\n", "9\n", "8"]}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
async def test_one_allocator_runs_over_texts_and_over_images(pair) -> None:
    """The same object, first over the one and then over the other, and every path is what the kernel promises."""
    on_texts, on_images = pair
    allocator = Watched(on_texts.allocator())
    ctx = context(Tabled(TABLE))
    written = await search(on_texts.steps(Query.ask("Count"), ctx), allocator, n=6, depth=4, rng=ctx.rng)
    assert {node.state.text[-2:] for node in written.unfinished} <= {"0\n", "4\n", "6\n", "9\n"}
    texts = len(allocator.levels)
    async with world() as ctx:
        states = DenoisingSteps(DRAW, ctx, on_images.way(ctx), "generator", on_images.verifier)
        made = await search(states, allocator, n=6, depth=5, rng=ctx.rng)
    assert made.ended
    assert not made.unfinished
    for node in made.ended:
        assert [each.state.latent.t for each in lineage(node)] == [0.0, 0.25, 0.5, 0.75, 1.0]
        assert node.state.image.pixels == shown_as(node.state)
    assert texts >= 2
    assert len(allocator.levels) - texts == 4
    assert any(max(counts) > 1 for counts in allocator.counts[texts:])
    for level, counts in zip(allocator.levels, allocator.counts, strict=True):
        assert sum(counts) == level.room


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
async def test_the_strategies_on_images_are_those_allocators(pair) -> None:
    """What the strategy returns is what the search by the allocator of its fellow on texts ends with."""
    on_texts, on_images = pair
    assert type(on_images.allocator()) is type(on_texts.allocator())
    limited = on_texts.model_copy(update={"max_steps": len(on_images.stops)})
    async with world() as ctx:
        found = await on_images.run(DRAW, [], ctx)
        states = DenoisingSteps(DRAW, ctx, on_images.way(ctx), "generator", on_images.verifier)
        by_text = await search(states, limited.allocator(), n=6, depth=5, rng=ctx.rng)
    assert {values(each).tobytes() for each in found} == {values(node.state).tobytes() for node in by_text.ended}


async def test_where_one_state_alone_goes_on_all_are_svdd() -> None:
    async with world() as ctx:
        best = await SVDD(**ON_IMAGES).run(DRAW, [], ctx)
        beam = await DenoisingBeam(beam_width=6, **ON_IMAGES).run(DRAW, [], ctx)
        rebase = await DenoisingRebase(keep=1 / 6, **ON_IMAGES).run(DRAW, [], ctx)
    assert [each.latent for each in beam] == [each.latent for each in rebase] == [each.latent for each in best]


@pytest.mark.parametrize("strategy", [DenoisingBeam(beam_width=3, **ON_IMAGES), DenoisingRebase(**ON_IMAGES)])
async def test_images_come_best_first_each_of_another_state(strategy) -> None:
    async with world() as ctx:
        found = await strategy.run(DRAW, [], ctx)
        assert ctx._run.ledger.spent.nfe == 6 * 4
    scores = [each.scores["brightness"].value for each in found]
    assert scores == sorted(scores, reverse=True)
    assert len({values(each.parent).tobytes() for each in found}) == len(found) > 1


async def test_children_of_one_state_differ_and_so_do_those_of_equal_states() -> None:
    """Noise is by the state's values and the number of the child among all that go on from them."""
    strategy = DenoisingBeam(**ON_IMAGES)
    async with world() as ctx:
        steps = DenoisingSteps(DRAW, ctx, strategy.way(ctx), "generator", None)
        [[first, second]] = await steps.extend([(None, 2)])
        twin = first.with_finish(first.finish)
        assert twin is not first
        [ones, others, twins] = await steps.extend([(first, 2), (second, 1), (twin, 2)])
        [alone] = await steps.extend([(first, 4)])
    assert len({values(each).tobytes() for each in (*ones, *others, *twins)}) == 5
    assert [values(each).tobytes() for each in (*ones, *twins)] == [values(each).tobytes() for each in alone]


async def test_a_state_at_the_last_judgement_has_one_image() -> None:
    strategy = DenoisingBeam(**ON_IMAGES)
    async with world() as ctx:
        steps = DenoisingSteps(DRAW, ctx, strategy.way(ctx), "generator", None)
        states = [None]
        for _ in range(4):
            states = (await steps.extend([(states[0], 2)]))[0]
        [[image], [other]] = await steps.extend([(states[0], 5), (states[1], 1)])
    assert image.latent.t == other.latent.t == 0.0
    assert image.latent != other.latent


@pytest.mark.parametrize("images", [1, 2, 3])
async def test_where_the_budget_ends_the_best_states_have_their_images(images) -> None:
    """Each of the four states that are judged last needs two evaluations more."""
    strategy = DenoisingBeam(beam_width=1, final_steps=3, **ON_IMAGES | {"n": 4})
    async with world() as ctx:
        whole = await strategy.run(DRAW, [], ctx)
    async with world(budget=Budget(nfe=16 + 2 * images)) as ctx:
        found = await strategy.run(DRAW, [], ctx)
    best = sorted(whole, key=lambda each: -each.parent.scores["brightness"].value)
    assert {values(each).tobytes() for each in found} == {values(each).tobytes() for each in best[:images]}
    assert len({each.parent.scores["brightness"].value for each in whole}) == len(whole) == 4
