"""Feynman-Kac steering: weights in logarithms that add up to the reward, and images of the tilted law."""

import itertools
import math
from collections import Counter
from random import Random

import numpy as np
import pytest
from blobs import BLOBS, ENGINES, QUERY, Brightness, brightness, shown_as, values, world
from whole_numbers import SCORES, Digits, now, stream, whole_numbers

from ponder.orchestrator.budget import Budget
from ponder.orchestrator.engines.denoisers import Condition, Mixture
from ponder.orchestrator.errors import BudgetExceeded
from ponder.orchestrator.images import Latent
from ponder.orchestrator.interpolants import LINEAR
from ponder.orchestrator.passing import digest_of
from ponder.orchestrator.run import arun
from ponder.strategies import DenoisingBeam, FeynmanKac
from ponder.strategies.allocation import softmax
from ponder.strategies.denoising import times
from ponder.strategies.feynman_kac import steered
from ponder.strategies.level_search import Level, Node, search
from ponder.strategies.sde_step import diffusion_at, sde_steps
from ponder.verifiers import ClassLogprob

POTENTIALS = ("difference", "max", "sum")
KNOBS = {"verifier": Brightness(), "conditional": False}
WEIGHT = "particle_weight"


def steering(**knobs) -> FeynmanKac:
    return FeynmanKac(**KNOBS | knobs)


def particle(i: int, score: float | None, parent: Node[int] | None = None, *, is_last: bool = False) -> Node[int]:
    return Node(0, i, score, is_last, i, 1.0, parent, i)


def level(scores, parents=None, depth: int = 1, seed: int = 0) -> Level[int]:
    above = parents or [None] * len(scores)
    nodes = [particle(i, score, parent) for i, (score, parent) in enumerate(zip(scores, above, strict=True))]
    return Level(nodes, [], len(nodes), depth, np.random.default_rng(seed))


def copies(scores, seed: int = 0, **knobs) -> list[int]:
    return steering(**knobs).allocator().allocate(level(scores, seed=seed))


def test_a_path_is_steered_by_its_last_its_best_or_all_rewards() -> None:
    """The product of ``exp(r_t - r_before)``, of ``exp(largest so far)``, of ``exp(sum so far)``."""
    rewards = [-3.0, 1.0, 0.5, 2.0]
    assert steered(rewards, "difference") == 2.0
    assert steered(rewards, "max") == -3.0 + 1.0 + 1.0 + 2.0
    assert steered(rewards, "sum") == -3.0 + (-2.0) + (-1.5) + 0.5


@pytest.mark.parametrize("potential", POTENTIALS)
@pytest.mark.parametrize("threshold", [0.0, 0.5, 1.0])
def test_increments_add_up_to_the_reward_of_the_image(potential, threshold) -> None:
    """Through every resampling: what a particle weighs more than its parent after it was resampled, in all."""
    random, scale, n = Random(1), 2.5, 6
    particles = steering(n=n, scale=scale, potential=potential, threshold=threshold).allocator()
    nodes = level([random.gauss(0, 1) for _ in range(n)]).nodes
    gained = {node: particles.log_weight(node) for node in nodes}
    for depth in range(1, 8):
        weights = [particles.log_weight(node) for node in nodes]
        counts = particles.allocate(Level(nodes, [], n, depth, np.random.default_rng(depth)))
        is_even = counts == [1] * n and threshold < 1
        after = weights if is_even else [w - math.log(n * s) for w, s in zip(weights, softmax(weights), strict=True)]
        parents = [(node, w) for node, w, count in zip(nodes, after, counts, strict=True) for _ in range(count)]
        nodes = [particle(i, random.gauss(0, 1), node, is_last=depth == 7) for i, (node, _) in enumerate(parents)]
        for node, (parent, weight) in zip(nodes, parents, strict=True):
            gained[node] = gained[parent] + particles.log_weight(node) - weight
    assert [gained[node] for node in nodes] == pytest.approx([scale * node.score for node in nodes])


def test_what_is_not_resampled_is_kept() -> None:
    """The weights of two levels multiply: a small gain on each makes few particles hold them all."""
    particles = steering(scale=1.0, threshold=0.6).allocator()
    first = level([1.0, 0.0, 0.0, 0.0])
    assert particles.allocate(first) == [1] * 4
    second = level([2.0, 0.0, 0.0, 0.0], first.nodes, depth=2)
    assert [particles.log_weight(node) for node in second.nodes] == [2.0, 0.0, 0.0, 0.0]
    assert sorted(particles.allocate(second))[-1] > 1


def test_equal_weights_leave_each_particle_as_it_is() -> None:
    for threshold, potential, score in itertools.product((0.5, 1.0), POTENTIALS, (0.3, -1e6, None)):
        assert copies([score] * 5, threshold=threshold, potential=potential) == [1] * 5


def test_without_scale_nothing_is_steered() -> None:
    for potential in POTENTIALS:
        assert copies([-5.0, 1e6, 0.0, 3.0], scale=0.0, threshold=1.0, potential=potential) == [1] * 4


@pytest.mark.parametrize("potential", POTENTIALS)
@pytest.mark.parametrize("resampling", ["systematic", "stratified", "multinomial", "residual"])
def test_extreme_rewards_give_all_copies_to_the_best_and_no_nan(resampling, potential) -> None:
    knobs = {"resampling": resampling, "potential": potential}
    for scores, expected in (
        ([0.0, 1e6, -1e6, 0.0], [0, 4, 0, 0]),
        ([-1e6, -1e6 + 8, -1e6, -1e6], [0, 4, 0, 0]),
        ([None, -1e6, None, None], [0, 4, 0, 0]),
    ):
        particles, first = steering(**knobs).allocator(), level(scores)
        assert particles.allocate(first) == expected
        second = level([1e6, -1e6, None, 0.0], [first.nodes[2]] * 4, depth=2)
        assert particles.allocate(second) == [4, 0, 0, 0]
        assert not any(math.isnan(particles.log_weight(node)) for node in second.nodes)


def test_large_weights_are_not_clipped() -> None:
    """Beyond ``exp(23)`` a unit of reward still counts as before."""
    for offset in (0.0, 25.0, -25.0):
        particles = steering(scale=10.0).allocator()
        weights = [particles.log_weight(node) for node in level([offset, offset + 1]).nodes]
        assert softmax(weights) == softmax([0.0, 10.0])


@pytest.mark.parametrize("potential", POTENTIALS)
def test_a_constant_added_to_all_rewards_changes_nothing(potential) -> None:
    def searched(offset: float) -> list[list[float]]:
        random, found = Random(3), []
        particles, parents = steering(scale=3.0, potential=potential, threshold=0.7).allocator(), None
        for depth in range(1, 6):
            scores = [random.randrange(-64, 64) / 32 + offset for _ in range(8)]
            now = level(scores, parents, depth, seed=depth)
            shares = softmax([particles.log_weight(node) for node in now.nodes])
            counts = particles.allocate(now)
            parents = [node for node, count in zip(now.nodes, counts, strict=True) for _ in range(count)]
            found += [list(shares), counts]
        return found

    plain = searched(0.0)
    assert any(max(counts) > 1 for counts in plain[1::2])
    for offset in (-1024.0, 4096.0):
        moved = searched(offset)
        assert moved[1::2] == plain[1::2]
        assert np.allclose(moved[::2], plain[::2], rtol=1e-9)


def test_the_largest_reward_has_no_floor() -> None:
    """Rewards that are all negative are told apart from the first step on."""
    assert copies([-30.0, -10.0, -20.0, -40.0], potential="max") == [0, 4, 0, 0]


@pytest.mark.parametrize("potential", POTENTIALS)
def test_the_mean_weight_is_an_unbiased_estimate(potential) -> None:
    """E[mean of the final weights] = sum of p(x) exp(scale r(x)), with paths of one, two and three steps."""
    knobs, n, random, rng, found = steering(scale=2.0, potential=potential, threshold=0.9), 4, Random(1), stream(1), []
    for _ in range(2000):
        particles = knobs.allocator()
        end = now(search(Digits(random), particles, n=n, depth=3, rng=rng))
        found.append(sum(math.exp(particles.log_weight(node)) for node in (*end.ended, *end.unfinished)) / n)
    exact = sum(p * math.exp(2.0 * SCORES[x]) for x, p in whole_numbers().items())
    assert abs(np.mean(found) - exact) <= 4.5 * np.std(found) / math.sqrt(len(found))


async def test_unsteered_particles_are_independent_samples() -> None:
    """Byte for byte those of the equation by hand, and of a beam that keeps all."""
    strategy, n = steering(n=5, steps=6, scale=0.0), 5
    async with world() as ctx:
        found = await strategy.run(QUERY, [], ctx)
        beam = await DenoisingBeam(n=5, steps=6, beam_width=1, **KNOBS).run(QUERY, [], ctx)
        x, model = ctx.noise(QUERY, n), BLOBS.load()
        for t, to in itertools.pairwise((1.0, *times(6))):
            u = model.velocity(x, np.full(n, t), [Condition()] * n)
            z = np.concatenate([ctx.noise(QUERY, 1, digest_of(Latent.of(row, t)).hex()) for row in x])
            x = sde_steps(LINEAR, x, u, (t, to), g=diffusion_at(t, 3.0), z=z).astype(np.float32)
    order = np.argsort([-brightness(each) for each in found], kind="stable")
    assert order.tolist() == [0, 1, 2, 3, 4]
    assert [values(each).tobytes() for each in found] == [values(each).tobytes() for each in beam]
    assert {values(each).tobytes() for each in found} == {row.tobytes() for row in x}
    assert [each.scores[WEIGHT].value for each in found] == pytest.approx([0.2] * 5)


GAUSSIAN = Mixture(means=((-0.2,),), variance=0.04, shape=(1, 1, 1))


async def weighted(strategy: FeynmanKac, seeds: range) -> np.ndarray:
    """The weighted mean of data, in each of so many runs."""
    found = []
    for seed in seeds:
        async with world(GAUSSIAN, seed) as ctx:
            images = await strategy.run(QUERY, [], ctx)
        found.append(sum(each.scores[WEIGHT].value * float(values(each)[0, 0, 0]) for each in images))
    return np.array(found)


def sampled_law(steps: int) -> tuple[float, float]:
    """The mean and the variance of what so many steps make of a Gaussian, each step being affine."""
    model, mean, variance = GAUSSIAN.load(), 0.0, 1.0
    for t, to in itertools.pairwise((1.0, *times(steps))):
        x, g = np.array([0.0, 1.0]).reshape(2, 1, 1, 1), diffusion_at(t, 3.0)
        u = model.velocity(x, np.full(2, t), [Condition()] * 2)
        at_0, at_1 = sde_steps(LINEAR, x, u, (t, to), g=g, z=np.zeros_like(x)).ravel()
        mean, variance = at_0 + (at_1 - at_0) * mean, (at_1 - at_0) ** 2 * variance + (g * g * (t - to) if to else 0.0)
    return mean, variance


@pytest.mark.parametrize(("potential", "c"), [("difference", 5.0), ("max", 3.0), ("sum", 1.5)])
async def test_images_follow_the_tilted_law(potential, c) -> None:
    """A Gaussian of mean m and variance v, tilted by ``exp(c x)``, has the mean m + v c."""
    strategy = steering(n=64, steps=8, scale=c, potential=potential, threshold=0.9, resampling="residual")
    found, (mean, variance) = await weighted(strategy, range(8)), sampled_law(8)
    assert abs(found.mean() - (mean + variance * c)) <= 4.5 * found.std() / math.sqrt(len(found))
    assert found.mean() > mean + variance * c / 2


async def test_the_best_reward_is_first_and_not_the_largest_weight() -> None:
    """Since the last resampling the largest weight is the largest gain."""
    differs = 0
    for seed in range(20):
        async with world(seed=seed) as ctx:
            found = await steering(n=4, steps=4, scale=20.0, threshold=1.0).run(QUERY, [], ctx)
        rewards, weights = [brightness(each) for each in found], [each.scores[WEIGHT].value for each in found]
        assert rewards == [each.scores["brightness"].value for each in found] == sorted(rewards, reverse=True)
        assert sum(weights) == pytest.approx(1.0)
        differs += weights[0] < max(weights)
    assert differs


async def test_one_may_be_drawn_by_weight() -> None:
    """As often as its part of the weight, among the same images."""
    steps, runs, first, expected = {"n": 3, "steps": 2, "scale": 8.0, "select": "sample"}, 60, Counter[bool](), 0.0
    for seed in range(runs):
        async with world(seed=seed) as ctx:
            drawn = await steering(**steps).run(QUERY, [], ctx)
        best = max(drawn, key=brightness)
        first[drawn[0] is best] += 1
        expected += best.scores[WEIGHT].value
        assert drawn[1:] == sorted(drawn[1:], key=brightness, reverse=True)
    assert abs(first[True] - expected) <= 4 * math.sqrt(runs) / 2
    assert min(first.values()) > 0


async def test_nothing_is_resampled_after_the_last_judgement() -> None:
    """Every particle comes to an image of its own, whatever the weights; rows are particles times steps."""
    result = await arun(steering(n=6, steps=2, scale=1e6, threshold=1.0), QUERY, engines=ENGINES)
    assert result.usage.nfe == 12
    assert len({values(each).tobytes() for each in result.candidates}) == 6
    assert result.best.scores[WEIGHT].value == 1.0


@pytest.mark.parametrize("knobs", [{"block": 4}, {"final_steps": 3}, {"threshold": 1.0, "potential": "sum"}])
async def test_any_budget_gives_whole_images_with_their_weights(knobs) -> None:
    strategy = steering(n=4, steps=8, verifier=ClassLogprob(), **knobs)
    more = strategy.final_steps - 1
    with pytest.raises(BudgetExceeded, match="nfe"):
        await arun(strategy, QUERY, engines=ENGINES, budget=Budget(nfe=7 + more))
    for nfe in (8 + more, 9 + more, 20, 31, 32, 32 + 4 * more):
        result = await arun(strategy, QUERY, engines=ENGINES, budget=Budget(nfe=nfe))
        assert 8 + more <= result.usage.nfe <= nfe
        assert [each.latent.t for each in result.candidates] == [0.0] * len(result.candidates)
        assert all(each.image.pixels == shown_as(each) for each in result.candidates)
        assert sum(each.scores[WEIGHT].value for each in result.candidates) == pytest.approx(1.0)
    assert len(result.candidates) == 4
    assert result.usage.nfe == 32 + 4 * more
