"""Particle Gibbs: the path that is kept, the law around it, and the law that it follows in the long run."""

import math
from collections import Counter
from random import Random

import numpy as np
import pytest
from making import ByTable, Counting, context, indices
from tabled import Tabled
from whole_numbers import SCORES, Digits, now, stream, whole_numbers

from ponder.orchestrator.types import Query
from ponder.strategies import ParticleGibbs
from ponder.strategies.allocation import resample
from ponder.strategies.conditional_filter import Conditioned, Marked, filtered
from ponder.strategies.level_search import Level, Node
from ponder.strategies.particle_weights import log_potential

JUDGE = Counting()
QUERY = Query.ask("Problem 3?")
SCHEMES = ("systematic", "stratified", "multinomial", "residual")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_copies_around_a_retained_one_follow_their_conditional_law(scheme) -> None:
    """P(counts | one drawn evenly of all copies is of i) = P(counts) counts_i / quota_i, by counting."""
    shares, budget, runs = [0.5, 0.2, 0.3], 4, 20_000
    rng = np.random.default_rng(0)
    plain = Counter(tuple(resample(budget, shares, rng, scheme)) for _ in range(runs))
    for i, share in enumerate(shares):
        law = {counts: seen / runs * counts[i] / (budget * share) for counts, seen in plain.items()}
        kept = Counter(tuple(resample(budget, shares, rng, scheme, retained=i)) for _ in range(runs))
        assert all(counts[i] and sum(counts) == budget for counts in kept)
        for counts in law.keys() | kept.keys():
            assert abs(kept[counts] / runs - law.get(counts, 0.0)) <= 0.03


@pytest.mark.parametrize("scheme", SCHEMES)
def test_copies_around_the_retained_particle_are_drawn_as_the_scheme_says(scheme) -> None:
    """Equal particles have a copy each, but where each is thrown for itself; so has the retained one in any case."""
    shares, kept = [0.25] * 4, set()
    for seed in range(60):
        places = [None, 0, None, None]
        nodes = [Node(Marked(i, at), i, 0.5, False, i, 1.0, None, i) for i, at in enumerate(places)]
        level = Level(nodes, [], 4, 1, np.random.default_rng(seed))
        particles = Conditioned(ParticleGibbs(n=4, verifier=JUDGE, resampling=scheme))
        counts = particles.copies(level, shares)
        assert sum(counts) == 4
        assert counts[1] >= 1
        kept.add(tuple(counts))
        order = (same := np.random.default_rng(seed)).permutation(4).tolist()
        laid = resample(4, shares, same, scheme, retained=order.index(1))
        assert counts == [laid[order.index(i)] for i in range(4)]
    assert (kept == {(1, 1, 1, 1)}) == (scheme != "multinomial")


@pytest.mark.parametrize("weight", ["reset", "incremental"])
def test_a_retained_particle_that_weighs_nothing_goes_on_weighing_nothing(weight) -> None:
    states, scores = [Marked(0), Marked(1, 0), Marked(2)], [0.5, None, 0.9]
    nodes = [Node(states[i], i, scores[i], False, i, 1.0, None, i) for i in range(3)]
    particles = Conditioned(ParticleGibbs(n=3, verifier=JUDGE, weight=weight, potential="odds", threshold=1.0))
    counts = particles.allocate(Level(nodes, [], 3, 1, np.random.default_rng(0)))
    assert counts[1] == 1 and sum(counts) == 3
    child = Node(Marked(9, 1), 9, 0.7, False, 9, 1.0, nodes[1], 1)
    assert math.isinf(particles.log_weight(child)) == (weight == "incremental")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_share_too_thin_to_be_hit_is_retained_all_the_same(scheme) -> None:
    for thin in (0.0, 1e-300, 5e-17):
        for seed in range(20):
            counts = resample(4, [1.0, thin, 2.0], np.random.default_rng(seed), scheme, retained=1)
            assert sum(counts) == 4
            assert counts[1] >= 1


def test_the_retained_path_is_always_among_the_particles() -> None:
    knobs = ParticleGibbs(n=3, verifier=JUDGE, threshold=1.0, max_steps=3, weight="incremental")
    random, rng = Random(0), stream(0)
    for path in ([1, 15], [3], [2, 25, 257]):
        for _ in range(100):
            found = now(filtered(Digits(random), path, knobs, rng))
            assert path[-1] in found.ended
            assert len(found.ended) == 3


def test_free_particles_are_drawn_beside_it() -> None:
    knobs = ParticleGibbs(n=4, verifier=JUDGE, max_steps=3)
    domain = Digits(Random(0))
    now(filtered(domain, [], knobs, stream(0)))
    assert domain.asked[0] == [(None, 4)]
    domain = Digits(Random(0))
    now(filtered(domain, [3], knobs, stream(0)))
    assert domain.asked[0] == [(None, 3)]


@pytest.mark.parametrize(
    "knobs",
    [
        {"n": 2, "threshold": 1.0},
        {"n": 3, "threshold": 1.0, "resampling": "multinomial"},
        {"n": 3, "threshold": 1.0, "resampling": "residual"},
        {"n": 4, "threshold": 0.8, "resampling": "stratified"},
    ],
    ids=lambda knobs: "-".join(map(str, knobs.values())),
)
def test_drawn_paths_follow_the_model_times_the_potential(knobs) -> None:
    """A chain of 4,000 filters, in batches of 100: each number is drawn as often as p(x) potential(x) says."""
    strategy = ParticleGibbs(verifier=JUDGE, weight="incremental", potential="probability", max_steps=3, **knobs)
    weights = {x: p * math.exp(log_potential(SCORES[x], "probability")) for x, p in whole_numbers().items()}
    random, rng, path, drawn = Random(2), stream(2), list[int](), []
    for _ in range(4000):
        path = now(filtered(Digits(random), path, strategy, rng)).path
        drawn.append(path[-1])
    for number, weight in weights.items():
        batches = np.array([each == number for each in drawn], float).reshape(40, 100).mean(axis=1)
        error = batches.std() / math.sqrt(len(batches))
        assert abs(batches.mean() - weight / sum(weights.values())) <= 4.5 * error


async def test_every_path_comes_back_once_with_its_mean_weight() -> None:
    engine = Tabled({"": ["1", "2", "3", "4"]})
    judge = ByTable(table={"1": 0.5, "2": 0.75, "3": 0.5, "4": 0.5})
    found = await ParticleGibbs(n=2, sweeps=3, verifier=judge).run(QUERY, [], context(engine))
    assert sorted(each.text for each in found) == ["1", "2", "3", "4"]
    assert len(set(indices(found))) == 4
    assert sum(each.scores["particle_weight"].value for each in found) == pytest.approx(1.0)
    assert found[0].text == "2"
    assert engine.asked == [""] * 4


async def test_the_last_drawn_path_may_be_chosen() -> None:
    engine = Tabled({"": ["1", "2", "3"]})
    strategy = ParticleGibbs(n=2, sweeps=2, select="sample", verifier=ByTable(table={"1": 0.5, "2": 0.5, "3": 0.5}))
    first = Counter(
        [(await strategy.run(QUERY, [], context(Tabled(engine._table), seed=s)))[0].text for s in range(300)]
    )
    assert first["3"] / 300 == pytest.approx(0.5, abs=0.12)


async def test_one_particle_is_one_path() -> None:
    engine = Tabled({"": ["1"]})
    found = await ParticleGibbs(n=1, sweeps=5, verifier=JUDGE).run(QUERY, [], context(engine))
    assert [each.text for each in found] == ["1"]
    assert engine.asked == [""]
